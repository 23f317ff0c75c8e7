"""Evaluations as a run keeps them, without a model."""

from collections.abc import Sequence
from typing import Any

from fake_run import tell

from grpoctl.run.directory import RunDirectory
from grpoctl.run.evals import EvalFiles, eval_stem
from grpoctl.run.events import EVAL
from grpoctl.statistics import share_interval

Problem = tuple[str, str]


def report(step: int, solved: int, n: int, mode: str = "greedy", **more: Any) -> dict[str, Any]:
    return {
        "step": step,
        "dataset": "tiny",
        "mode": mode,
        "n": n,
        "k": 1,
        "accuracy": solved / n,
        "accuracy_ci": list(share_interval(solved, n)),
        "format_accuracy": 1.0,
        "mean_length": 20.5,
        "truncated_share": 0.0,
        **more,
    }


def evaluated(
    run: RunDirectory,
    step: int,
    rights: Sequence[bool],
    mode: str = "greedy",
    *,
    problems: Sequence[Problem] | None = None,
    apart: str = "",
    **more: Any,
) -> None:
    """An evaluation with a sample of each problem, in the order given, told as an event unless it is set apart."""
    asked = problems or [(f"{number} + 1?", str(number + 1)) for number in range(len(rights))]
    found = report(step, sum(rights), len(rights), mode, **more)
    files = EvalFiles(run.evals, eval_stem(mode, step, apart))
    files.begin({"mode": mode}, [])
    files.add(
        [
            {"problem": number, "sample": 0, "prompt": prompt, "answer": answer, "right": right}
            for number, ((prompt, answer), right) in enumerate(zip(asked, rights, strict=True))
        ]
    )
    files.finish(found)
    if not apart:
        tell(run, (EVAL, found))
