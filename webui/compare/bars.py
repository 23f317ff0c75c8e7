"""How do the accuracies of one mode look? A bar for each run before training and one after it, with their intervals."""

from collections.abc import Sequence

from grpoctl.comparison.before_after import Report, interval_of, is_number
from grpoctl.comparison.runs import ComparedRun
from webui.compare.table import share
from webui.html import Markup, h
from webui.page import Page

_HEIGHT, _GAP = 11, 4  # pixels; all that lies across is in percent, so that letters keep their size on any screen


def view(page: Page, mode: str, runs: Sequence[ComparedRun]) -> Markup | None:
    """Nothing where no run has a number."""
    say = page.say
    rows = [row for place, run in enumerate(runs) for row in _row(page, run, mode, place)]
    if not rows:
        return None
    ticks = [h("span", f"{percent}%", style=f"left:{percent}%") for percent in (0, 25, 50, 75, 100)]
    return h(
        "figure",
        h(
            "figcaption",
            h("b", say("Accuracy in mode {mode}", mode=mode)),
            h("span", h("i", class_="before"), say("before training")),
            h("span", h("i", class_="after"), say("after training")),
            h("span", h("i", class_="interval"), say("95% interval")),
            class_="legend",
        ),
        h("div", *rows, h("span"), h("div", *ticks, class_="ticks", aria_hidden="true"), class_="bars"),
    )


def _row(page: Page, run: ComparedRun, mode: str, place: int) -> list[Markup]:
    evals = run.evals.get(mode)
    told = [
        (kind, words, report)
        for kind, words, report in (
            ("before", page.say("before training"), evals.before if evals else None),
            ("after", page.say("after training"), evals.after if evals else None),
        )
        if report is not None and is_number(report.get("accuracy"))
    ]
    if not told:
        return []
    said = f"{run.name}: " + ", ".join(f"{words} {_in_words(report)}" for _, words, report in told)
    height = len(told) * (_HEIGHT + _GAP) - _GAP
    drawn = [_bar(kind, report, line * (_HEIGHT + _GAP)) for line, (kind, _, report) in enumerate(told)]
    grid = [h("line", x1=f"{x}%", x2=f"{x}%", y1=0, y2="100%", class_="grid-line") for x in (25, 50, 75)]
    picture = h(
        "svg", h("title", said), *grid, *drawn, role="img", width="100%", height=height, class_=f"run-{place % 8}"
    )
    return [h("div", h("bdi", run.name), class_="of"), picture]


def _bar(kind: str, report: Report, top: int) -> Markup:
    length, interval = 100 * min(1.0, max(0.0, report["accuracy"])), interval_of("accuracy", report)
    middle = top + _HEIGHT / 2
    whisker = [] if interval is None else _whisker(100 * interval[0], 100 * interval[1], middle)
    return h(
        "g", h("rect", x=0, y=top, width=f"{length:.2f}%", height=_HEIGHT, rx=2), *whisker, class_=kind
    )  # fmt: skip


def _whisker(low: float, high: float, middle: float) -> list[Markup]:
    left, right = f"{low:.2f}%", f"{high:.2f}%"
    ends = [h("line", x1=x, x2=x, y1=middle - 3, y2=middle + 3) for x in (left, right)]
    return [h("line", x1=left, x2=right, y1=middle, y2=middle), *ends]


def _in_words(report: Report) -> str:
    interval = interval_of("accuracy", report)
    between = f" ({100 * interval[0]:.1f} – {100 * interval[1]:.1f}%)" if interval else ""
    return share(report.get("accuracy")) + between
