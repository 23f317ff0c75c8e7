"""How do runs differ: in their recipes, in what they came to, and on the problems that they were all asked?"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import isfinite
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from grpoctl.comparison.before_after import BeforeAfter, compare_scores, evals_of, is_number, read_object
from grpoctl.errors import Finding, InputError
from grpoctl.run.directory import RunDirectory, find_run
from grpoctl.run.view import RunView, view_run
from grpoctl.statistics import PairedTest

MOST_RUNS = 20

# Every run has its own, whatever it trains.
_OWN_KEYS = ("output_dir", "run_name")
# What may differ between runs of one recipe: the seed, and what moves no weight.
_SAME_TRAINING = ("seed", "logging_steps", "save_steps", "save_total_limit", "report_to", "num_threads", "plot_loss",
                  "resume_from_checkpoint")  # fmt: skip


@dataclass(frozen=True)
class ComparedRun:
    """A run, or what is left of it."""

    directory: RunDirectory
    view: RunView
    recipe: Mapping[str, Any]
    evals: Mapping[str, BeforeAfter]

    @property
    def name(self) -> str:
        return self.view.name


@dataclass(frozen=True)
class PairedRuns:
    """Two runs' last evaluations of one mode, of the same n problems: how far b is above a."""

    a: str
    b: str
    mode: str
    n: int
    test: PairedTest

    def as_json(self) -> dict[str, Any]:
        return {"a": self.a, "b": self.b, "mode": self.mode, "n": self.n, **_test_as_json(self.test)}


@dataclass(frozen=True)
class OverSeeds:
    """Runs of one recipe under several seeds: how far chance alone moves their result."""

    runs: Sequence[ComparedRun]

    def accuracies(self, mode: str) -> list[float]:
        """After training, of the runs that have one."""
        reports = [run.evals[mode].after for run in self.runs if mode in run.evals]
        found = [report.get("accuracy") for report in reports if report is not None]
        return [accuracy for accuracy in found if is_number(accuracy)]

    @property
    def modes(self) -> list[str]:
        return list(dict.fromkeys(mode for run in self.runs for mode in run.evals if len(self.accuracies(mode)) > 1))

    def as_json(self) -> dict[str, Any]:
        found = {mode: self.accuracies(mode) for mode in self.modes}
        return {
            "runs": [run.name for run in self.runs],
            "seeds": [run.recipe.get("seed") for run in self.runs],
            "accuracy": {
                mode: {"mean": fmean(each), "std": stdev(each), "min": min(each), "max": max(each)}
                for mode, each in found.items()
            },
        }


@dataclass(frozen=True)
class Comparison:
    """Runs side by side, in the order in which they were named."""

    runs: Sequence[ComparedRun]
    differing_keys: Sequence[str]
    paired: Sequence[PairedRuns]

    @property
    def modes(self) -> list[str]:
        """Those in which any run was evaluated, greedy in front."""
        found = {mode for run in self.runs for mode in run.evals}
        usual = ("greedy", "standard", "liberal")
        return sorted(found, key=lambda mode: (usual.index(mode) if mode in usual else len(usual), mode))

    def as_json(self) -> dict[str, Any]:
        return {
            "runs": [
                {
                    "run": run.name,
                    "status": run.view.status,
                    "step": run.view.step,
                    "max_steps": run.view.max_steps,
                    "recipe": {key: run.recipe[key] for key in self.differing_keys if key in run.recipe},
                    "metrics": run.view.metrics,
                    "evals": {mode: _evals_as_json(evals) for mode, evals in run.evals.items()},
                }
                for run in self.runs
            ],
            "differing_keys": list(self.differing_keys),
            "paired": [pair.as_json() for pair in self.paired],
            "over_seeds": [each.as_json() for each in self.over_seeds],
        }

    @property
    def over_seeds(self) -> list["OverSeeds"]:
        """Each group of runs whose recipes differ in their seed alone."""
        groups: dict[str, list[ComparedRun]] = {}
        for run in self.runs:
            recipe = {key: value for key, value in run.recipe.items() if key not in _SAME_TRAINING}
            groups.setdefault(json.dumps(recipe, sort_keys=True), []).append(run)
        return [OverSeeds(runs) for runs in groups.values() if len({run.recipe.get("seed") for run in runs}) > 1]


def runs_named(names: Sequence[str]) -> list[RunDirectory]:
    """The runs of these names, or InputError with all that is wrong with them."""
    if len(names) > MOST_RUNS:
        problem = f"takes {MOST_RUNS} runs at most, and got {len(names)}"
        raise InputError(Finding(problem, "name fewer", file="grpoctl compare"))
    findings: list[Finding] = []
    found: dict[Path, RunDirectory] = {}
    for name in names:
        try:
            run = find_run(name)
        except InputError as error:
            findings += error.findings
            continue
        if run.path.resolve() in found:
            findings.append(Finding(f"names {run.name} once more", "name each run once", file=name))
        found[run.path.resolve()] = run
    if findings:
        raise InputError(findings)
    return list(found.values())


def compare_runs(runs: Sequence[RunDirectory], *, every_pair: bool = False) -> Comparison:
    """Each run with its evaluations, and tests of each other run against the first, or of every pair."""
    compared = [_compared(run) for run in runs]
    pairs = combinations(compared, 2) if every_pair else ((compared[0], other) for other in compared[1:])
    paired = [found for a, b in pairs for found in _paired(a, b)]
    return Comparison(compared, differing_keys([run.recipe for run in compared]), paired)


def differing_keys(recipes: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys whose values differ, in the recipes' order; a recipe that lacks one, being older, says nothing of it."""
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    return [key for key in keys if _differ([recipe[key] for recipe in recipes if key in recipe])]


def _differ(values: Sequence[Any]) -> bool:
    return any(value != values[0] for value in values)


def _compared(directory: RunDirectory) -> ComparedRun:
    view = view_run(directory)
    recipe = {key: value for key, value in _flat(read_object(directory.resolved)) if key not in _OWN_KEYS}
    return ComparedRun(directory, view, recipe, evals_of(directory, view))


def _flat(recipe: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested keys as an override on the command line names them: eval_modes.greedy.top_k."""
    for key, value in recipe.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield above + key, value


def _paired(a: ComparedRun, b: ComparedRun) -> Iterator[PairedRuns]:
    for mode in a.evals:
        if mode in b.evals:
            scores = a.evals[mode].scores_after
            test = compare_scores(scores, b.evals[mode].scores_after)
            if test is not None:
                yield PairedRuns(a.name, b.name, mode, sum(map(len, scores.values())), test)


def _evals_as_json(evals: BeforeAfter) -> dict[str, Any]:
    change = {} if evals.change is None else {"change": _test_as_json(evals.change)}
    return {"before": evals.before, "after": evals.after, **change}


def _test_as_json(test: PairedTest) -> dict[str, Any]:
    # A single problem has no interval, and JSON no NaN.
    return {name: value if isfinite(value) else None for name, value in asdict(test).items()}
