"""Compare runs: the recipe keys that differ, the newest metrics, evaluations before and after.

  grpoctl compare RUN RUN                     side by side
  grpoctl compare RUN RUN RUN --to FILE.png   their curves and accuracies as a picture too
  grpoctl compare RUN RUN --json

Differences are tested where runs were asked the same problems: each run against the first, with --json every pair. Runs
of one recipe under several seeds are summed up."""

import argparse
import json
import shutil
import sys

from grpoctl.errors import Finding, InputError, printable
from grpoctl.packages import missing_packages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="1 to 20 runs, by name or folder")
    parser.add_argument("--to", metavar="FILE.png", help="draw their reward curves and accuracies there")


def run(args: argparse.Namespace) -> int:
    # What reads a run takes 0.05 s, and what draws takes a second: --help need not wait for either.
    from grpoctl.comparison.runs import compare_runs, runs_named
    from grpoctl.comparison.table import comparison_in_lines

    if args.to is not None and missing_packages(("matplotlib",)):
        raise InputError(Finding("takes matplotlib, which is not installed", "pip install matplotlib", file="--to"))
    comparison = compare_runs(runs_named(args.runs), every_pair=args.json)
    document = comparison.as_json()
    if args.to is not None:
        from grpoctl.comparison.plot import draw_comparison

        document["picture"] = str(draw_comparison(comparison, args.to))
    if args.json:
        print(json.dumps(document))
        return 0
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print("\n".join(comparison_in_lines(comparison, width)))
    if "picture" in document:
        print(f"\npicture: {printable(document['picture'])}")
    return 0
