"""How does a comparison look on a terminal?"""

from collections.abc import Iterator, Sequence
from math import isnan
from typing import Any

from grpoctl.comparison.before_after import BeforeAfter, Report, interval_of, is_number
from grpoctl.comparison.columns import Row, side_by_side
from grpoctl.comparison.modes import asked_in_words, modes_in_words, with_what_was_asked
from grpoctl.comparison.recipes import NOTHING, telling_apart, value_in_cell
from grpoctl.comparison.runs import Comparison
from grpoctl.comparison.seeds import seeds_in_lines
from grpoctl.counted import counted
from grpoctl.errors import printable
from grpoctl.run.metric_words import OF_TEXT_ALONE
from grpoctl.statistics import PairedTest
from grpoctl.table import table

_METRICS = (
    "reward_std",
    "zero_std_share",
    "kl",
    "entropy",
    "completions/mean_length",
    "completions/clipped_ratio",
    "grad_norm",
    "step_time_s",
    "tokens_per_s",
    "reward_failures",
    "baseline_error",
    "networks",
    "parameters",
    "optimizer_mib",
    "samples_drawn",
)
_ACCURACIES = ("accuracy", "partial_accuracy", "lenient_accuracy", "format_accuracy")
_MORE = ("maj_at_k", "never_solved_share", "mean_length", "truncated_share")
_SHARES = (*_ACCURACIES, "maj_at_k", "never_solved_share", "truncated_share", "zero_std_share",
           "completions/clipped_ratio")  # fmt: skip
# A digit is one token in no form, and right or wrong wherever it stands.
_OF_TEXT_ALONE = (*OF_TEXT_ALONE, "tokens_per_s", "partial_accuracy", "lenient_accuracy")


def comparison_in_lines(comparison: Comparison, width: int | None) -> list[str]:
    """A column a run, a row a key, and the tests below; None is a width without end, as in a file."""
    names = [printable(run.name) for run in comparison.runs]
    return [*side_by_side(names, _rows(comparison), width), *_tests(comparison), *seeds_in_lines(comparison)]


def _rows(comparison: Comparison) -> list[Row]:
    runs = comparison.runs
    rows: list[Row] = [
        ("status", [run.view.status for run in runs]),
        ("step", [printable(f"{run.view.step}/{run.view.max_steps or '?'}") for run in runs]),
    ]
    keys = comparison.differing_keys
    rows += _section("recipe", [(key, telling_apart([value_in_cell(run.recipe, key) for run in runs])) for key in keys])
    rewards = dict.fromkeys(name for run in runs for name in run.view.metrics if _is_reward(name))
    digits = all(run.view.manifest.get("engine") == "mlp" for run in runs)
    names = [name for name in ("reward", *rewards, *_METRICS) if not (digits and name in _OF_TEXT_ALONE)]
    rows += _section(
        "newest step", [(name, [_number(name, run.view.metrics.get(name)) for run in runs]) for name in names]
    )
    for mode, words in modes_in_words(comparison.modes).items():
        evals = [run.evals.get(mode) or BeforeAfter(None, None) for run in runs]
        title, told = _evaluated(words, evals)
        rows += _section(title, [row for row in told if not (digits and row[0].partition(" ")[0] in _OF_TEXT_ALONE)])
    return rows


def _section(title: str, rows: Sequence[Row]) -> list[Row]:
    """The rows in which any run has a value, below their title."""
    told: list[Row] = [(f"  {printable(label)}", cells) for label, cells in rows if {*cells} != {NOTHING}]
    return [("", []), (printable(title), []), *told] if told else []


def _is_reward(name: str) -> bool:
    return name.startswith("rewards/") and name.endswith("/mean")


def _evaluated(mode: str, evals: Sequence[BeforeAfter]) -> tuple[str, list[Row]]:
    """The title and the rows of a mode; what was asked stands in the title where every run was asked the same."""
    asked = [asked_in_words(each.after or each.before) for each in evals]
    told = {each for each in asked if each != NOTHING}
    rows: list[Row] = []
    for name in _ACCURACIES:
        rows.append((f"{name} before", [_share(name, each.before or {}) for each in evals]))
        rows.append((f"{name} after", [_share(name, each.after or {}) for each in evals]))
        if name == "accuracy":
            rows.append((f"{name} change, points", [_change(each) for each in evals]))
    rows += [(name, [_from_to(name, each) for each in evals]) for name in [*_sizes(evals), *_MORE]]
    if len(told) == 1:
        return with_what_was_asked(mode, told.pop()), rows
    return mode, [("problems", asked), *rows]


def _share(name: str, report: Report) -> str:
    """With its interval, where the report has one."""
    interval = interval_of(name, report)
    share = _number(name, report.get(name))
    return share if interval is None else f"{share} ({100 * interval[0]:.1f}–{100 * interval[1]:.1f})"


def _change(evals: BeforeAfter) -> str:
    if evals.change is not None:
        return f"{100 * evals.change.difference:+.1f}, {_p(evals.change.p)}"
    before, after = (report.get("accuracy") if report else None for report in (evals.before, evals.after))
    return f"{100 * (after - before):+.1f}" if is_number(before) and is_number(after) else NOTHING


def _sizes(evals: Sequence[BeforeAfter]) -> list[str]:
    """The pass@k that any report has."""
    return list(dict.fromkeys(name for each in evals for report in (each.before, each.after) for name in _pass(report)))


def _pass(report: Report | None) -> dict[str, Any]:
    found = (report or {}).get("pass_at_k")
    return {f"pass@{size}": value for size, value in found.items()} if isinstance(found, dict) else {}


def _from_to(name: str, evals: BeforeAfter) -> str:
    ends = [
        _number(name, {**report, **_pass(report)}.get(name))
        for report in (evals.before, evals.after)
        if report is not None
    ]
    return NOTHING if {*ends} <= {NOTHING} else " → ".join(ends)


def _number(name: str, value: Any) -> str:
    """A metric as people read it."""
    if not is_number(value):
        return NOTHING if value is None else printable(str(value))
    if name in _SHARES or name.startswith("pass@"):
        return f"{value:.1%}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _points(difference: float) -> str:
    # Not in percent, which would leave open of what.
    return f"{100 * difference:+.1f} points"


def _between(test: PairedTest) -> str:
    # A single problem has no interval.
    return NOTHING if isnan(test.low) else f"{100 * test.low:+.1f} … {100 * test.high:+.1f}"


def _p(value: float) -> str:
    return "p < 0.0001" if value < 1e-4 else f"p {value:.2g}"


def _tests(comparison: Comparison) -> Iterator[str]:
    """Each run against the first, where both were asked the same problems."""
    first = comparison.runs[0].name
    for mode, words in modes_in_words(comparison.modes).items():
        pairs = [pair for pair in comparison.paired if pair.mode == mode and pair.a == first]
        if pairs:
            yield ""
            problems = counted(pairs[0].n, "problem")
            yield f"{words} accuracy after, against {printable(first)} on the same {problems}:"
            rows = [
                (
                    f"  {printable(pair.b)}",
                    _points(pair.test.difference),
                    _between(pair.test),
                    _p(pair.test.p),
                )
                for pair in pairs
            ]
            yield from table(rows, right=(1, 2))
