"""How do accuracies before and after training look beside one another? A panel for each mode and set of problems."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grpoctl.comparison.before_after import Report, interval_of, is_number
from grpoctl.comparison.columns import shorten
from grpoctl.comparison.looks import Drawn, plain
from grpoctl.comparison.modes import asked_in_words, modes_in_words, with_what_was_asked
from grpoctl.comparison.runs import ComparedRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

_LONGEST_BELOW, _SHORTEST_NAME = 48, 6


@dataclass(frozen=True)
class Panel:
    """An evaluation of one mode on one set of problems: runs that were asked others stand in a panel of their own."""

    mode: str
    title: str
    asked: str


def draw_accuracies(part: "SubFigure", drawn: Sequence[Drawn], row: Sequence[Panel]) -> None:
    """A row a run: hollow before training, filled after it."""
    panels = part.subplots(1, len(row), sharey=True, squeeze=False)[0]
    for axes, panel in zip(panels, row, strict=True):
        title, _, below = with_what_was_asked(panel.title, panel.asked).partition(", ")
        axes.set_title(f"Accuracy, {title}".replace("$", r"\$"), fontsize=13, loc="left", pad=20)
        above_the_frame: dict[str, Any] = {"xytext": (0, 5), "xycoords": "axes fraction", "textcoords": "offset points"}
        axes.annotate(_short(below).replace("$", r"\$"), (0, 1), **above_the_frame, fontsize=9, color="#666666")
        plain(axes, "x")
        axes.tick_params(axis="y", length=0)
        ends = []
        for place, each in enumerate(drawn):
            if place % 2:
                axes.axhspan(place - 0.5, place + 0.5, color="#f4f4f4", zorder=0, linewidth=0)
            for report, filled in _accuracies(each.run, panel):
                ends += _draw_share(axes, place + (0.17 if filled else -0.17), report, each.colour, filled)
        axes.set_xlim(max(-2.0, min(ends) - 3), min(102.0, max(ends) + 3))
    first = panels[0]
    first.set_yticks(range(len(drawn)), [each.label for each in drawn], fontsize=9)
    first.set_ylim(len(drawn) - 0.5, -0.5)
    part.supxlabel("problems solved (%): hollow before training, filled after it, bars 95% intervals", fontsize=10)


def _short(asked: str) -> str:
    """Where there is no room it is the data's name that is cut."""
    what, of, name = asked.rpartition(" of ")
    return what + of + shorten(name, max(_SHORTEST_NAME, _LONGEST_BELOW - len(what + of)))


def _draw_share(axes: "Axes", y: float, report: Report, colour: str, filled: bool) -> list[float]:
    """One accuracy with its interval, and from where to where it reaches, in percent."""
    share = 100 * report["accuracy"]
    interval = interval_of("accuracy", report)
    ends = [share] if interval is None else [100 * interval[0], share, 100 * interval[1]]
    axes.plot([min(ends), max(ends)], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt", zorder=2)
    face = colour if filled else "white"
    axes.plot(share, y, "o", markerfacecolor=face, markeredgecolor=colour, markeredgewidth=1.5, markersize=6, zorder=3)
    return ends


def panels_of(drawn: Sequence[Drawn], modes: Sequence[str]) -> list[Panel]:
    """One for each mode and set of problems that any run has an accuracy on."""
    words = modes_in_words(modes)
    found = {
        Panel(mode, words[mode], asked_in_words(report)): None
        for mode in modes
        for each in drawn
        for report, _ in _reports(each.run, mode)
    }
    return list(found)


def _accuracies(run: ComparedRun, panel: Panel) -> list[tuple[Report, bool]]:
    return [each for each in _reports(run, panel.mode) if asked_in_words(each[0]) == panel.asked]


def _reports(run: ComparedRun, mode: str) -> list[tuple[Report, bool]]:
    """Those that have an accuracy, each with whether it was measured after training."""
    evals = run.evals.get(mode)
    both = [] if evals is None else [(evals.before, False), (evals.after, True)]
    return [(report, after) for report, after in both if report is not None and is_number(report.get("accuracy"))]
