"""How well did a model do before training, and how well does it do now? From the reports of its run."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from grpoctl.model_card.text import last_part, markdown_table, steps
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Event
from grpoctl.run.view import view_run

# grpoctl eval adds a hash of the changes to the name.
_WITH_OTHER_KEYS = re.compile(r"-step-[0-9]+(-.+)?-[0-9a-f]{6}$")

_SHARES = {
    "accuracy": "right, in the answer tag",
    "partial_accuracy": "right or within 10%",
    "lenient_accuracy": "right wherever it stands",
    "format_accuracy": "in form",
    "truncated_share": "cut off at the limit",
    "maj_at_k": "the most frequent answer is right",
    "never_solved_share": "never solved",
}


def evaluation(run: RunDirectory, step: int | None) -> str:
    """A table for each mode and set of problems: before training, and at the step that was exported."""
    kinds: dict[tuple[Any, ...], dict[str, Event]] = {}
    for report in _reports(run):
        kind = tuple(report.get(name) for name in ("mode", "dataset", "n", "k", "seed"))
        if report.get("base") or report.get("step") == 0:
            kinds.setdefault(kind, {})["before training"] = report
        elif report.get("step") == step:
            kinds.setdefault(kind, {})[f"after {steps(step)}"] = report
    parts = []
    for (mode, dataset, n, k, _), by_time in kinds.items():
        by_time = dict(sorted(by_time.items(), reverse=True))  # before comes before after
        many = f", {k} answers to each" if (k or 1) > 1 else ""
        parts.append(f"{mode}, {n} problems of {', '.join(map(last_part, str(dataset).split(',')))}{many}:")
        parts.append(markdown_table([["", *by_time], *_rows(list(by_time.values()))]))
    head = "Shares are of the problems; brackets hold a 95% interval."
    return "\n\n".join(["## Evaluation", head, *parts]) if parts else ""


def _reports(run: RunDirectory) -> list[Event]:
    """What the events tell of, and what stands in eval/ alone; what was asked by other keys is of another question."""
    reports: list[Event] = list(view_run(run).evals)
    for file in sorted(run.evals.glob("*.json")):
        if _WITH_OTHER_KEYS.search(file.stem):
            continue
        try:
            report = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(report, dict):
            reports.append(report)
    return reports


def _rows(reports: Sequence[Event]) -> Iterator[list[str]]:
    for name, words in _SHARES.items():
        if any(report.get(name) is not None for report in reports):
            yield [words, *(_share(report.get(name), report.get(f"{name}_ci")) for report in reports)]
    for size in _names(reports, "pass_at_k"):
        yield [f"pass@{size}", *(_share((report.get("pass_at_k") or {}).get(size)) for report in reports)]
    for reward in _names(reports, "rewards"):
        means = [(report.get("rewards") or {}).get(reward) for report in reports]
        yield [f"mean of the reward {last_part(reward)}", *("-" if mean is None else f"{mean:.3g}" for mean in means)]
    if any(report.get("mean_length") is not None for report in reports):
        lengths = [report.get("mean_length") for report in reports]
        yield ["tokens an answer", *("-" if length is None else f"{length:.1f}" for length in lengths)]


def _names(reports: Sequence[Event], part: str) -> list[str]:
    return list(dict.fromkeys(name for report in reports for name in report.get(part) or {}))


def _share(value: float | None, interval: Sequence[float] | None = None) -> str:
    if value is None:
        return "-"
    between = f" [{interval[0]:.1%}, {interval[1]:.1%}]" if interval and None not in interval else ""
    return f"{value:.1%}{between}"
