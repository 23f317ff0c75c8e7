"""Evaluate a model: how many problems it solves, in which form, how surely.

  grpoctl eval                              the latest run, greedy
  grpoctl eval RUN --mode all --base        every mode, and the model before training
  grpoctl eval RUN --mode standard --k 8    pass@8 and the majority of 8
  grpoctl eval Qwen/Qwen3-0.6B eval_dataset=gsm8k_test system_prompt="…"

RUN is a run, its folder or one of its checkpoints; a model is a folder or a Hugging Face name, asked by --recipe or by
key=value. Samples and reports are kept in the run's eval/; the same command goes on with one that was interrupted."""

import argparse
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

from grpoctl.counted import counted
from grpoctl.errors import Finding, InputError, nearest, printable

if TYPE_CHECKING:
    from grpoctl.evaluating import Evaluated, Wanted

_MODES = ("greedy", "standard", "liberal")
_SHARES = ("accuracy", "partial_accuracy", "lenient_accuracy", "format_accuracy")
_WORDS = {
    "accuracy": "right, in the answer tag",
    "partial_accuracy": "right or within 10%",
    "lenient_accuracy": "right wherever it stands",
    "format_accuracy": "in form",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", default=[], metavar="RUN", help="a run or model (latest run); key=value")
    parser.add_argument(
        "--mode",
        action="append",
        default=[],
        metavar="MODE",
        help="greedy, standard, liberal or all; repeatable (greedy)",
    )
    parser.add_argument("--base", action="store_true", help="the model before training as well")
    parser.add_argument("--checkpoint", type=int, metavar="N", help="the model as it was at step N")
    parser.add_argument("--split", choices=["eval", "train"], default="eval", help="problems held out, or trained on")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N problems alone")
    parser.add_argument("--k", type=int, default=1, metavar="K", help="answers to each problem (1)")
    parser.add_argument("--seed", type=int, metavar="N", help="of the answers drawn (the recipe's)")
    parser.add_argument("--recipe", metavar="FILE", help="the recipe to ask a model by that no run made")


def run(args: argparse.Namespace) -> int:
    # pydantic and what stands on it take 0.15 s, which --help need not wait for.
    from grpoctl import evaluating

    wanted = _wanted(args)
    screen = sys.stderr if args.json else sys.stdout
    done: list[Evaluated] = []
    stopped: list[int] = []

    def stop(number: int, frame: Any) -> None:
        if stopped:
            raise KeyboardInterrupt
        stopped.append(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        session = evaluating.Session(wanted, screen, lambda: bool(stopped))
        for step in session.steps():
            done.append(step)
            if not args.json:
                print("\n".join(_table(step, digits=session.reads_pictures)), flush=True)
            if args.k > step.report.k:
                said = f"--k: {step.report.mode} takes the likeliest answer, which is the same each time: asked once."
                print(said, file=sys.stderr)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopped:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 128 + stopped[0]
    comparisons = evaluating.compare_with_base(done)
    if args.json:
        print(json.dumps(_as_json(session.name, done, comparisons)))
    else:
        for line in _differences(comparisons):
            print(line)
        print(f"samples: {session.folder}")
    return 0


def _wanted(args: argparse.Namespace) -> "Wanted":
    from grpoctl.evaluating import Wanted

    modes: list[str] = []
    for mode in args.mode or ["greedy"]:
        if mode not in (*_MODES, "all"):
            close = nearest(mode, [*_MODES, "all"])
            fix = f"did you mean {close}?" if close else "use greedy, standard, liberal or all"
            raise InputError(Finding(f"is {printable(mode)[:40]}", fix, file="--mode"))
        modes += _MODES if mode == "all" else [mode]
    for name, value in (("--k", args.k), ("--limit", args.limit)):
        if value is not None and value < 1:
            raise InputError(Finding(f"is {value}", "use 1 or more", file=name))
    targets = [word for word in args.words if "=" not in word]
    if len(targets) > 1:
        raise InputError(Finding(f"takes one run or model, and got {len(targets)}", "name one", file="grpoctl eval"))
    return Wanted(
        target=targets[0] if targets else None,
        overrides=[word for word in args.words if "=" in word],
        modes=list(dict.fromkeys(modes)),
        base=args.base,
        checkpoint=args.checkpoint,
        split=args.split,
        limit=args.limit,
        k=args.k,
        seed=args.seed,
        recipe=args.recipe,
    )


def _table(done: "Evaluated", *, digits: bool) -> list[str]:
    """Of digits, which stand in no tags and have no length, the accuracy alone."""
    from grpoctl.table import table

    report = done.report
    rows = [["", "", "95% interval", ""]]
    for name in _SHARES[:1] if digits else _SHARES:
        low, high = getattr(report, f"{name}_ci")
        words = "of the pictures are read right" if digits else _WORDS[name]
        rows.append([f"  {name}", f"{getattr(report, name):.1%}", f"{low:.1%} … {high:.1%}", words])
    for name, mean in report.rewards.items():
        interval = report.rewards_ci[name]
        between = f"{interval[0]:.3g} … {interval[1]:.3g}" if interval is not None else ""
        rows.append([f"  reward {name}", "-" if mean is None else f"{mean:.3g}", between, ""])
    if not digits:
        rows.append(["  mean_length", f"{report.mean_length:.1f}", "", "tokens"])
        rows.append(["  truncated_share", f"{report.truncated_share:.1%}", "", "cut off at max_completion_length"])
    for size, value in report.pass_at_k.items():
        rows.append([f"  pass@{size}", f"{value:.1%}", "", "a right one among so many"])
    if report.maj_at_k is not None and report.never_solved_share is not None:
        rows.append([f"  maj@{report.k}", f"{report.maj_at_k:.1%}", "", "the most frequent answer is right"])
        rows.append(["  never solved", f"{report.never_solved_share:.1%}", "", f"of the problems, in {report.k} tries"])
    problems = counted(report.n, "problem")
    title = f"{printable(done.label)}, {report.mode}, {problems} of {printable(done.dataset)}"
    return [f"{title}, {report.seconds:.1f} s", *table(rows, right=(1, 2)), ""]


def _differences(comparisons: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"{mode}: {found['difference']:+.1%} accuracy by training "
        f"(95% {found['low']:+.1%} … {found['high']:+.1%}, p {_p(found['p'])}, the same problems)"
        for mode, found in comparisons.items()
    ]


def _p(value: float) -> str:
    return "below 0.0001" if value < 1e-4 else f"{value:.2g}"


def _as_json(name: str, done: "list[Evaluated]", comparisons: dict[str, dict[str, Any]]) -> dict[str, Any]:
    parts: dict[bool, dict[str, Any]] = {False: {}, True: {}}
    for step in done:
        kept = {"step": step.step, "dataset": step.dataset, **step.report.as_json()}
        parts[step.is_base][step.report.mode] = kept
    whole: dict[str, Any] = {"model": name, "modes": parts[False]}
    if parts[True]:
        whole |= {"base": parts[True], "difference": comparisons}
    return whole
