"""What does a training leave in its run folder beside its checkpoints: samples, evaluations, the model?

The same for every engine; a record that cannot be written is no reason to stop learning.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grpoctl.data.problems import Problem
from grpoctl.engines.base import TrainJob
from grpoctl.evaluate import Sampler, evaluate
from grpoctl.problems import HELD_OUT
from grpoctl.rewards.registry import GIVEN_COLUMNS
from grpoctl.rewards.scoring import Scorer, Scores
from grpoctl.run import checkpoints
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.evals import EvalFiles, eval_stem
from grpoctl.run.events import lasting, read_events

_log = logging.getLogger(__name__)


def lacks_its_evaluation(job: TrainJob, step: int) -> bool:
    """Whether the run was stopped in place of the evaluation that its recipe wants behind this step."""
    recipe = job.recipe
    if recipe.eval_strategy != "steps" or step % (recipe.eval_steps or 1) or step >= job.max_steps:
        return False
    events = lasting(read_events(job.run.events)[0])
    return not any(event["event"] == ev.EVAL and event.get("step") == step for event in events)


def evaluate_and_tell(job: TrainJob, sampler: Sampler, step: int) -> bool:
    """Whether the evaluation behind a step came to its end; False too where there is nothing to evaluate on."""
    if not job.eval_problems:
        return False
    done = evaluate(
        sampler,
        job.eval_problems,
        job.recipe,
        job.scorer.for_trial(),
        interrupted=lambda: job.stop_signal() is not None,
    )
    if done is None:
        return False
    report, samples = done
    dataset = ",".join(job.recipe.eval_dataset) or f"{','.join(job.recipe.dataset)} ({HELD_OUT})"
    fields = {"step": step, "dataset": dataset, **report.as_json()}
    with forgiving("the evaluation"):
        kept = EvalFiles(job.run.evals, eval_stem(report.mode, step))
        kept.begin({"step": step, "dataset": dataset, "mode": report.mode, "n": report.n}, [])
        kept.add([sample.as_json() for sample in samples])
        kept.finish(fields)
    job.stream.tell(ev.EVAL, **fields)
    return True


def tell_step(
    job: TrainJob, step: int, metrics: Mapping[str, Any], *, completions: int, step_time_s: float, epoch: float | None
) -> None:
    """One step as an event; its speed follows from how many completions it used and how long they are."""
    tokens = completions * float(metrics["completions/mean_length"])
    job.stream.tell(
        ev.STEP,
        **{
            "step": step,
            "max_steps": job.max_steps,
            "kl": None,  # without a reference there is none; the engine's own value replaces this one
            **metrics,
            "epoch": epoch,
            "step_time_s": round(step_time_s, 4),
            "tokens_per_s": round(tokens / step_time_s, 1) if step_time_s else None,
        },
    )


def columns_kept(scorer: Scorer) -> list[str]:
    """The columns of the data that rewards read: kept with the completions, so that they can be scored again."""
    read = [name for ready in scorer.rewards.values() for name in ready.reward.columns]
    return [name for name in dict.fromkeys(read) if name not in GIVEN_COLUMNS]


def samples_of(
    problems: Sequence[Problem],
    completions: Sequence[str],
    scores: Scores,
    advantages: Iterable[float],
    columns: Sequence[str],
) -> list[dict[str, Any]]:
    """The completions of a step as they are kept."""
    return [
        {
            "prompt": problem.prompt,
            "question": problem.row.question,
            "completion": completion,
            "answer": problem.row.answer,
            **{name: problem.row.columns.get(name) for name in columns},
            "rewards": {name: of_all[row] for name, of_all in scores.by_reward.items()},
            # NaN is no JSON, and stands for a reward that failed
            "reward": None if scores.totals[row] != scores.totals[row] else scores.totals[row],
            "advantage": round(float(advantage), 6),
        }
        for row, (problem, completion, advantage) in enumerate(zip(problems, completions, advantages, strict=True))
    ]


def write_samples(job: TrainJob, step: int, samples: Sequence[Mapping[str, Any]]) -> None:
    """The completions that a step drew; none where it used those of an earlier one again."""
    if not samples:
        return
    path = job.run.completions(step)
    with forgiving("completions"):
        path.parent.mkdir(exist_ok=True)
        lines = [json.dumps({"step": step, **sample}, ensure_ascii=False) for sample in samples]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        file = str(path.relative_to(job.run.path))
        job.stream.tell(ev.SAMPLES, step=step, file=file, count=len(lines))


def keep_model(
    run: RunDirectory, write: Callable[[Path], None], left_out: Sequence[str] = (), *, main: bool = True
) -> None:
    """The trained model in the run folder itself, each file put in place whole. `main` is the one process that does."""
    beside = run.incoming / "model"
    with checkpoints.said_in_one_line(run.path / "the model", run):
        write(beside)
        if main:
            for path in sorted(beside.iterdir()):
                if path.name not in left_out:
                    path.replace(run.path / path.name)
            checkpoints.clear_incoming(run)


@contextmanager
def forgiving(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _log.warning("%s cannot be written (%s); the run goes on.", what, error.strerror)
