"""List the runs, newest first: how each stands and how well it does.

  grpoctl runs
  GRPOCTL_RUNS=/data/runs grpoctl runs --json

reward is the newest step's, accuracy the newest greedy evaluation's."""

import argparse
import json
from typing import TYPE_CHECKING

from grpoctl.errors import printable

if TYPE_CHECKING:
    from grpoctl.run.view import RunView

_HEADER = ("run", "status", "step", "reward", "accuracy", "started")
_NUMBERS = (2, 3, 4)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace) -> int:
    # What reads a run takes 0.05 s, which --help need not wait for.
    from grpoctl.run.directory import all_runs, runs_root
    from grpoctl.run.view import view_run
    from grpoctl.table import table

    views = [view_run(run) for run in all_runs()]
    if args.json:
        print(json.dumps({"runs": [view.as_json() for view in views]}))
    elif views:
        print("\n".join(table([_HEADER, *map(_row, views)], right=_NUMBERS)))
    else:
        print(f"{runs_root()} holds no run; start one: grpoctl train quickstart")
    return 0


def _row(view: "RunView") -> tuple[str, ...]:
    reward = view.metrics.get("reward")
    accuracy = _greedy_accuracy(view)
    return (
        printable(view.name),
        view.status,
        f"{view.step}/{view.max_steps or '?'}",
        "-" if reward is None else f"{reward:.3f}",
        "-" if accuracy is None else f"{accuracy:.1%}",
        str(view.manifest.get("started") or "-")[:16].replace("T", " "),
    )


def _greedy_accuracy(view: "RunView") -> float | None:
    return next((done.get("accuracy") for done in reversed(view.evals) if done.get("mode") == "greedy"), None)
