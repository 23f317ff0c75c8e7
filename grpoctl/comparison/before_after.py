"""What did a run's evaluations find before training and after it, and is the difference more than chance?"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, TypeGuard

from grpoctl.run.directory import RunDirectory
from grpoctl.run.evals import eval_stem, read_samples
from grpoctl.run.view import RunView
from grpoctl.statistics import PairedTest, paired_test

Report = dict[str, Any]
# The share of right samples of each problem, by prompt and gold answer; several where a problem comes several times.
Scores = dict[tuple[str, str], list[float]]

_STEM = re.compile(r"(?P<mode>[a-z]+)-step-(?P<step>[0-9]+)(?:-(?P<apart>.+))?")


@dataclass(frozen=True)
class BeforeAfter:
    """A run's evaluations of one mode: the first and the last on the same problems, and what lies between."""

    before: Report | None
    after: Report | None
    change: PairedTest | None = None
    scores_after: Scores = field(default_factory=dict, repr=False)


def evals_of(directory: RunDirectory, view: RunView) -> dict[str, BeforeAfter]:
    """A run's evaluations by mode, with those set apart by their own name: standard-k8."""
    evals = {}
    for mode, reports in _reports(directory, view).items():
        before, after = _first_and_last(reports)
        scores_before, scores_after = (
            _scores(directory, mode, report) if report is not None else {} for report in (before, after)
        )
        evals[mode] = BeforeAfter(before, after, compare_scores(scores_before, scores_after), scores_after)
    return evals


def compare_scores(before: Scores, after: Scores) -> PairedTest | None:
    """The paired test, where both have the same problems in whichever order."""
    if not before or _counts(before) != _counts(after):
        return None
    pairs = [pair for key in before for pair in zip(before[key], after[key], strict=True)]
    return paired_test([one for one, _ in pairs], [other for _, other in pairs])


def samples_files(directory: RunDirectory, mode: str, report: Report) -> list[Path]:
    """Where the samples of a report may be, the first that has any being meant."""
    plain, _, apart = mode.partition("-")
    stem = eval_stem(plain, _step(report), apart)
    return [directory.evals / f"{name}.jsonl" for name in ([f"{stem}-base"] if report.get("base") else []) + [stem]]


def interval_of(name: str, report: Report) -> tuple[float, float] | None:
    """The interval that a report gives with a share; older ones give none."""
    found = report.get(f"{name}_ci")
    if not isinstance(found, list) or len(found) != 2 or not all(map(is_number, found)):
        return None
    return found[0], found[1]


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where none can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _counts(scores: Scores) -> dict[tuple[str, str], int]:
    return {key: len(each) for key, each in scores.items()}


def _reports(directory: RunDirectory, view: RunView) -> dict[str, list[Report]]:
    """Every evaluation, as the events tell it; those that they do not tell of have their files alone."""
    told: dict[str, list[Report]] = {}
    for event in view.evals:
        if isinstance(event.get("mode"), str):
            told.setdefault(event["mode"], []).append({name: event[name] for name in event if name != "time"})
    kept: dict[str, list[Report]] = {}
    for path in sorted(directory.evals.glob("*.json")):
        match, report = _STEM.fullmatch(path.stem), read_object(path)
        if match is not None and report:
            apart = "" if match["apart"] in (None, "base") else f"-{match['apart']}"
            kept.setdefault(match["mode"] + apart, []).append({"step": int(match["step"]), **report})
    return {**kept, **told}


def _first_and_last(reports: Sequence[Report]) -> tuple[Report | None, Report | None]:
    """What was measured before training and at the newest step, on as many problems of the same data."""
    newest = {_step(report): report for report in reports}  # the last word on each step
    last = newest[max(newest)]
    first = newest[min(step for step, report in newest.items() if _asked(report) == _asked(last))]
    if first is not last:
        return first, last
    return (last, None) if _step(last) == 0 else (None, last)


def _step(report: Report) -> int:
    step = report.get("step")
    return step if isinstance(step, int) and not report.get("base") else 0


def _asked(report: Report) -> tuple[Any, ...]:
    return report.get("dataset"), report.get("n"), report.get("k", 1)


def _scores(directory: RunDirectory, mode: str, report: Report) -> Scores:
    """What the samples say; nothing where a problem has none, as in an evaluation that was begun anew."""
    samples = next(filter(None, map(read_samples, samples_files(directory, mode, report))), [])
    problems: dict[int, tuple[tuple[str, str], list[bool]]] = {}
    for sample in samples:
        if isinstance(sample, dict) and isinstance(problem := sample.get("problem"), int) and "right" in sample:
            key = (str(sample.get("prompt")), str(sample.get("answer")))
            problems.setdefault(problem, (key, []))[1].append(sample["right"] is True)
    if len(problems) != report.get("n"):
        return {}
    scores: Scores = {}
    for _, (key, rights) in sorted(problems.items()):
        scores.setdefault(key, []).append(sum(rights) / len(rights))
    return scores
