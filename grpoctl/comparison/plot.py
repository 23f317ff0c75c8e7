"""How do runs look beside one another? Their reward curves, and their accuracies before and after, in one PNG."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grpoctl.comparison.before_after import Report, interval_of, is_number
from grpoctl.comparison.columns import shorten, shortened
from grpoctl.comparison.runs import ComparedRun, Comparison
from grpoctl.errors import Finding, InputError, printable
from grpoctl.paths import is_folder, user_path
from grpoctl.run.events import STEP, lasting, read_events
from grpoctl.run.plots import Values, save, smooth, values, window_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# Okabe and Ito's colours, which the colour-blind tell apart, in three kinds of line: enough for 21 runs.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))

_WIDTH = 12.0
_CURVES_HEIGHT, _LEGEND_ROW_HEIGHT = 4.2, 0.21
_PANEL_HEIGHT, _RUN_HEIGHT = 1.1, 0.34  # inches without a run, and for each
_PANELS_A_ROW = 3
_LONGEST_NAME, _LONGEST_TITLE = 30, 28
_RUNS_WITH_DOTS = 4  # more of them cover one another


@dataclass(frozen=True)
class _Drawn:
    """A run as it is drawn."""

    run: ComparedRun
    label: str
    colour: str
    dashes: Any
    steps: Values
    rewards: Values


def draw_comparison(comparison: Comparison, to: str) -> Path:
    """Draw what there are numbers for and return the file; InputError where there is none, or no file can be."""
    path = user_path(to)
    if path.suffix.lower() != ".png" or is_folder(path):
        raise InputError(Finding("is no name for a PNG file", "give one that ends in .png", file=to))
    drawn = _drawn(comparison.runs)
    modes = [mode for mode in comparison.modes if any(_accuracies(each.run, mode) for each in drawn)]
    if not modes and not any(len(each.steps) for each in drawn):
        raise InputError(Finding("would be empty, as no run has a step or an evaluation", "leave --to out", file=to))
    figure = _figure(drawn, modes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return save(figure, path)
    except (OSError, ValueError) as error:  # a NUL in a name is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(Finding(f"cannot be written ({reason})", "give another path", file=to)) from None


def _drawn(runs: Sequence[ComparedRun]) -> list[_Drawn]:
    labels = shortened([printable(run.name) for run in runs], [_LONGEST_NAME] * len(runs))
    looks = [(colour, dashes) for dashes, colour in product(_DASHES, _COLOURS)]
    return [
        # A dollar sign would begin a formula.
        _Drawn(run, label.replace("$", r"\$"), *look, *_curve(run))
        for run, label, look in zip(runs, labels, looks, strict=False)
    ]


def _curve(run: ComparedRun) -> tuple[Values, Values]:
    """The steps that have a reward, and the reward."""
    steps = [event for event in lasting(read_events(run.directory.events)[0]) if event["event"] == STEP]
    x, y = values(steps, "step"), values(steps, "reward")
    there = ~(np.isnan(x) | np.isnan(y))
    return x[there], y[there]


def _figure(drawn: Sequence[_Drawn], modes: Sequence[str]) -> "Figure":
    """The curves above, the accuracies below, each in a part that is laid out by itself."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = []
    if any(len(each.steps) for each in drawn):
        heights.append(max(_CURVES_HEIGHT, 1 + _LEGEND_ROW_HEIGHT * len(drawn)))
    rows = [modes[start : start + _PANELS_A_ROW] for start in range(0, len(modes), _PANELS_A_ROW)]
    heights += [_PANEL_HEIGHT + _RUN_HEIGHT * len(drawn)] * len(rows)
    figure = Figure(figsize=(_WIDTH, sum(heights)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    parts = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if len(parts) > len(rows):
        _draw_curves(parts.pop(0), drawn)
    for part, row in zip(parts, rows, strict=True):
        _draw_accuracies(part, drawn, row)
    return figure


def _draw_curves(part: "SubFigure", drawn: Sequence[_Drawn]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes = part.subplots()
    axes.set_title("Reward", fontsize=13, loc="left")
    axes.set_xlabel("step", fontsize=10)
    axes.set_ylabel("mean over the step's answers", fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _plain(axes, "both")
    lines = {}
    for each in drawn:
        if not len(each.steps):
            continue
        window = window_for(len(each.steps))
        y = each.rewards if window == 1 else smooth(each.rewards, window)
        if window > 1 and len(drawn) <= _RUNS_WITH_DOTS:
            axes.plot(each.steps, each.rewards, ".", color=each.colour, alpha=0.4, markersize=6, markeredgewidth=0)
        marker = "o" if len(each.steps) == 1 else None
        [lines[each.label]] = axes.plot(
            each.steps, y, marker=marker, linestyle=each.dashes, color=each.colour, linewidth=1.8, markersize=5
        )
    if any(window_for(len(each.steps)) > 1 for each in drawn):
        axes.set_title("running mean", fontsize=9, loc="right", color="#666666")
    axes.legend(
        list(lines.values()), list(lines), loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0,
        fontsize=9, frameon=False, handlelength=3.2,
    )  # fmt: skip


def _draw_accuracies(part: "SubFigure", drawn: Sequence[_Drawn], modes: Sequence[str]) -> None:
    """A panel a mode, a row a run: hollow before training, filled after it."""
    panels = part.subplots(1, len(modes), sharey=True, squeeze=False)[0]
    for axes, mode in zip(panels, modes, strict=True):
        axes.set_title(shorten(f"Accuracy, {mode}", _LONGEST_TITLE).replace("$", r"\$"), fontsize=13, loc="left")
        _plain(axes, "x")
        axes.tick_params(axis="y", length=0)
        ends = []
        for place, each in enumerate(drawn):
            if place % 2:
                axes.axhspan(place - 0.5, place + 0.5, color="#f4f4f4", zorder=0, linewidth=0)
            for report, filled in _accuracies(each.run, mode):
                ends += _draw_share(axes, place + (0.17 if filled else -0.17), report, each.colour, filled)
        axes.set_xlim(max(-2.0, min(ends) - 3), min(102.0, max(ends) + 3))
    first = panels[0]
    first.set_yticks(range(len(drawn)), [each.label for each in drawn], fontsize=9)
    first.set_ylim(len(drawn) - 0.5, -0.5)
    part.supxlabel("problems solved (%): hollow before training, filled after it, bars 95% intervals", fontsize=10)


def _draw_share(axes: "Axes", y: float, report: Report, colour: str, filled: bool) -> list[float]:
    """One accuracy with its interval, and from where to where it reaches, in percent."""
    share = 100 * report["accuracy"]
    interval = interval_of("accuracy", report)
    ends = [share] if interval is None else [100 * interval[0], share, 100 * interval[1]]
    axes.plot([min(ends), max(ends)], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt", zorder=2)
    face = colour if filled else "white"
    axes.plot(share, y, "o", markerfacecolor=face, markeredgecolor=colour, markeredgewidth=1.5, markersize=6, zorder=3)
    return ends


def _accuracies(run: ComparedRun, mode: str) -> list[tuple[Report, bool]]:
    """The reports that have an accuracy, each with whether it was measured after training."""
    evals = run.evals.get(mode)
    both = [] if evals is None else [(evals.before, False), (evals.after, True)]
    return [(report, after) for report, after in both if report is not None and is_number(report.get("accuracy"))]


def _plain(axes: "Axes", lines: str) -> None:
    axes.grid(axis=lines, color="#dddddd", linewidth=0.7)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
