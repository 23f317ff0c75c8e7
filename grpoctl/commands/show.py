"""Show one run: its status, its newest metrics in words, its evaluations, its advice, its files.

  grpoctl show                 the latest run
  grpoctl show NAME --json

NAME is what grpoctl runs prints, or a folder."""

import argparse
import json
from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING, Any

from grpoctl.counted import counted
from grpoctl.errors import printable

if TYPE_CHECKING:
    from grpoctl.run.directory import RunDirectory
    from grpoctl.run.events import Event
    from grpoctl.run.view import RunView

_SHARES = ("zero_std_share", "completions/clipped_ratio", "accuracy", "format_accuracy", "truncated_share")
_EVALUATED = ("accuracy", "format_accuracy", "mean_length", "truncated_share")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", default="latest", metavar="RUN", help="a run's name or folder (latest)")


def run(args: argparse.Namespace) -> int:
    # What reads a run takes 0.05 s, which --help need not wait for.
    from grpoctl.run.directory import find_run
    from grpoctl.run.view import view_run

    run = find_run(args.run)
    view = view_run(run)
    if args.json:
        print(json.dumps(view.as_json()))
        return 0
    parts = [_head(view), _metrics(view), *_evaluations(view), _advice(view), _files(run, view)]
    print("\n\n".join("\n".join(part) for part in parts if part))
    return 0


def _head(view: "RunView") -> list[str]:
    manifest = view.manifest
    lines = [f"{printable(view.name)}: {view.status}, step {view.step} of {view.max_steps or '?'}"]
    if manifest:
        recipe = " ".join([str(manifest.get("recipe_file")), *map(str, manifest.get("overrides") or [])])
        started = str(manifest.get("started"))[:16].replace("T", " ")
        lines.append(f"  started {started}, engine {manifest.get('engine')}, {printable(recipe)}")
    if view.error:
        lines.append(f"  error: {printable(view.error)}")
    if view.status == "dead":
        gone = "its process is gone and left no word: killed, out of memory, or the machine went down"
        lines.append(
            f"  {gone if manifest else 'its manifest.json cannot be read, so that nobody knows of its process'}"
        )
    return lines


def _metrics(view: "RunView") -> list[str]:
    """The newest step, a metric a line, each reward below the total; what else an engine logs is left to --json."""
    from grpoctl.run.metric_words import name_and_words
    from grpoctl.table import table

    rows = []
    for name, shown, text in name_and_words(view.metrics, digits=_reads_digits(view)):
        words, *more = text.split("\n")
        rows.append((f"  {printable(shown)}", _number(name, view.metrics[name]), words))
        rows.extend(("", "", line) for line in more)
    return [f"step {view.step}", *table(rows, right=(1,))] if rows else []


def _is_reward(name: str) -> bool:
    return name.startswith("rewards/") and name.endswith("/mean")


def _reads_digits(view: "RunView") -> bool:
    return view.manifest.get("engine") == "mlp"


def _evaluations(view: "RunView") -> Iterator[list[str]]:
    """A table for each mode and data set: the first evaluation, the last one, and what lies between."""
    from grpoctl.run.metric_words import OF_TEXT_ALONE
    from grpoctl.table import table

    kinds: dict[tuple[str, str, Any], list[Event]] = {}
    for done in view.evals:
        kinds.setdefault((str(done.get("mode")), str(done.get("dataset")), done.get("n")), []).append(done)
    for (mode, dataset, n), (first, *later) in kinds.items():
        title = printable(f"{mode}, {counted(n, 'problem')} of {dataset}")
        header = (title, f"step {first.get('step')}", *([f"step {later[-1].get('step')}", "change"] if later else []))
        rows = [
            (f"  {name}", *_before_and_after(name, [first, *later[-1:]]))
            for name in _EVALUATED
            if first.get(name) is not None and not (_reads_digits(view) and name in OF_TEXT_ALONE)
        ]
        yield table([header, *rows], right=(1, 2, 3))


def _before_and_after(name: str, evaluations: list["Event"]) -> list[str]:
    values = [done.get(name) for done in evaluations]
    cells = [_number(name, value) for value in values]
    if len(values) == 2:
        before, after = values
        cells.append("-" if before is None or after is None else _change(name, after - before))
    return cells


def _advice(view: "RunView") -> list[str]:
    return [f"advice at step {told.get('step')}: {printable(str(told.get('text')))}" for told in view.advice]


def _files(run: "RunDirectory", view: "RunView") -> list[str]:
    """Where everything stands, and the command that goes on from here."""
    name = quote(view.name)
    places = {
        "completions": run.completions(0).parent,
        "plots": run.plots,
        "evaluations": run.evals,
        "checkpoint": run.checkpoint(view.checkpoint or 0),
    }
    rows = [
        ("folder", str(run.path)),
        ("model", _model(run, view)),
        *((what, str(path)) for what, path in places.items() if path.exists()),
    ]
    if run.log.exists():
        rows.append(("log", f"grpoctl logs {name}"))
    if run.tensorboard.exists():
        rows.append(("curves", f"tensorboard --logdir {quote(str(run.tensorboard))}"))
    if view.status in ("queued", "running"):
        rows.append(("stop", f"grpoctl stop {name}"))
    elif view.status != "finished":
        rows.append(("go on", f"grpoctl train --resume {name}"))
    return [f"{what:<11}  {printable(text)}" for what, text in rows]


def _model(run: "RunDirectory", view: "RunView") -> str:
    """Where the trained model is to be had."""
    if view.status == "finished":
        return str(run.path)
    return "none yet" if view.checkpoint is None else str(run.checkpoint(view.checkpoint))


def _number(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "-" if value is None else printable(str(value))
    if name in _SHARES:
        return f"{value:.1%}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _change(name: str, difference: float) -> str:
    # Not in percent, which would leave open of what.
    return f"{100 * difference:+.1f} points" if name in _SHARES else f"{difference:+,.1f}"
