"""How do runs look beside one another? Their reward curves, and their accuracies before and after, in one PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grpoctl.comparison.looks import Drawn, drawn_runs, plain
from grpoctl.comparison.panels import Panel, draw_accuracies, panels_of
from grpoctl.comparison.runs import Comparison
from grpoctl.errors import Finding, InputError
from grpoctl.paths import is_folder, user_path
from grpoctl.run.plots import mark_steps, save
from grpoctl.run.smoothing import smooth, smoothed_in_words, window_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

_WIDTH = 12.0
_CURVES_HEIGHT, _LEGEND_ROW_HEIGHT = 4.2, 0.21
_PANEL_HEIGHT, _RUN_HEIGHT = 1.3, 0.34  # inches without a run, and for each
_PANELS_A_ROW = 3
_RUNS_WITH_DOTS = 4  # more of them cover one another


def draw_comparison(comparison: Comparison, to: str) -> Path:
    """Draw what there are numbers for and return the file; InputError where there is none, or no file can be."""
    path = user_path(to)
    if path.suffix.lower() != ".png" or is_folder(path):
        raise InputError(Finding("is no name for a PNG file", "give one that ends in .png", file=to))
    drawn = drawn_runs(comparison.runs)
    panels = panels_of(drawn, comparison.modes)
    if not panels and not any(len(each.steps) for each in drawn):
        raise InputError(Finding("would be empty, as no run has a step or an evaluation", "leave --to out", file=to))
    figure = _figure(drawn, panels)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return save(figure, path)
    except (OSError, ValueError) as error:  # a NUL in a name is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(Finding(f"cannot be written ({reason})", "give another path", file=to)) from None


def _figure(drawn: Sequence[Drawn], panels: Sequence[Panel]) -> "Figure":
    """The curves above, the accuracies below, each in a part that is laid out by itself."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = []
    if any(len(each.steps) for each in drawn):
        heights.append(max(_CURVES_HEIGHT, 1 + _LEGEND_ROW_HEIGHT * len(drawn)))
    rows = [panels[start : start + _PANELS_A_ROW] for start in range(0, len(panels), _PANELS_A_ROW)]
    heights += [_PANEL_HEIGHT + _RUN_HEIGHT * len(drawn)] * len(rows)
    figure = Figure(figsize=(_WIDTH, sum(heights)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    parts = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if len(parts) > len(rows):
        _draw_curves(parts.pop(0), drawn)
    for part, row in zip(parts, rows, strict=True):
        draw_accuracies(part, drawn, row)
    return figure


def _draw_curves(part: "SubFigure", drawn: Sequence[Drawn]) -> None:
    axes = part.subplots()
    axes.set_title("Reward", fontsize=13, loc="left")
    axes.set_xlabel("step", fontsize=10)
    axes.set_ylabel("mean over the step's answers", fontsize=10)
    mark_steps(axes)
    plain(axes, "both")
    lines = {}
    # One rule for all: a line that is smoother than another is so by its run.
    window = window_for(max(len(each.steps) for each in drawn))
    dots = window > 1 and len(drawn) <= _RUNS_WITH_DOTS
    for each in drawn:
        if not len(each.steps):
            continue
        y = smooth(each.rewards, window)
        if dots:
            axes.plot(each.steps, each.rewards, ".", color=each.colour, alpha=0.4, markersize=6, markeredgewidth=0)
        marker = "o" if len(each.steps) == 1 else None
        [lines[each.label]] = axes.plot(
            each.steps, y, marker=marker, linestyle=each.dashes, color=each.colour, linewidth=1.8, markersize=5
        )
    said = "line: each logged step" if window == 1 else f"line: {smoothed_in_words(window)}"
    if window > 1 and not dots:
        said = f"logged steps; {said}"
    axes.set_title(f"dots: logged steps; {said}" if dots else said, fontsize=9, loc="right", color="#666666")
    axes.legend(
        list(lines.values()), list(lines), loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0,
        fontsize=9, frameon=False, handlelength=3.2,
    )  # fmt: skip
