"""How does a run look? Its curves as PNG files, drawn from its events alone."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import STEP, Event, Sink, lasting, read_events
from grpoctl.run.smoothing import Values, smooth, smoothed_in_words, window_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Okabe and Ito's colours, which the colour-blind tell apart.
_BLACK, _BLUE, _ORANGE, _GREEN = "#222222", "#0072B2", "#D55E00", "#009E73"
_COLOURS = (_BLUE, _ORANGE, _GREEN, "#CC79A7", "#E69F00", "#56B4E9")

_WIDTHS = (3.2, 2.2, 1.6, 1.2)
_FINE_FROM = 500
_PAUSE_S, _PAUSE_PER_DRAWING = 30.0, 50.0


def draw_plots(run: RunDirectory, *, loss: bool = False) -> list[Path]:
    """Draw what there are numbers for, the loss on request, and return the files."""
    steps = [event for event in lasting(read_events(run.events)[0]) if event["event"] == STEP]
    if not steps:
        return []
    figures = {
        "reward": _reward(steps),
        "reward_std": _one(steps, "reward_std", "Reward spread within a group", "standard deviation"),
        "kl": _one(steps, "kl", "Distance from the reference model", "KL divergence (nats)"),
        "lengths": _lengths(steps),
        "zero_std_share": _one(
            steps, "zero_std_share", "Groups that teach nothing", "share whose answers all score alike", share=True
        ),
    }
    if loss:
        figures["loss"] = _one(steps, "loss", "Loss", "loss, which says little in GRPO")
    run.plots.mkdir(exist_ok=True)
    return [save(figure, run.plots / f"{name}.png") for name, figure in figures.items() if figure is not None]


class PlotSink(Sink):
    """Draws while the run goes on, rarely enough to cost it at most 2%, and once at its end."""

    def __init__(self, run: RunDirectory, *, loss: bool = False) -> None:
        self._run, self._loss = run, loss
        self._not_before = monotonic() + _PAUSE_S  # short runs are drawn at their end alone

    def hear(self, event: Event) -> None:
        if event["event"] == STEP and monotonic() >= self._not_before:
            self._draw()

    def close(self) -> None:
        self._draw()

    def _draw(self) -> None:
        # Imported ahead of the clock: that comes once, and would hold back the second drawing.
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # noqa: F401

        start = monotonic()
        draw_plots(self._run, loss=self._loss)
        end = monotonic()
        self._not_before = end + max(_PAUSE_S, _PAUSE_PER_DRAWING * (end - start))


def _reward(steps: Sequence[Event]) -> "Figure | None":
    names = sorted(
        {name for event in steps for name in event if name.startswith("rewards/") and name.endswith("/mean")}
    )
    x, total = values(steps, "step"), values(steps, "reward")
    if np.isnan(total).all():
        return None
    figure, axes = _panel("Reward", "mean over the step's answers", x)
    curves = {"total": _curve(axes, x, total, _BLACK, _WIDTHS[0])}
    for place, name in enumerate(names):
        # Ever thinner, so that equal curves are seen below one another.
        width = _WIDTHS[min(place + 1, len(_WIDTHS) - 1)]
        label = name.removeprefix("rewards/").removesuffix("/mean")
        curves[label] = _curve(axes, x, values(steps, name), _COLOURS[place % len(_COLOURS)], width)
    _legend(axes, curves)
    return figure


def _one(steps: Sequence[Event], name: str, title: str, unit: str, share: bool = False) -> "Figure | None":
    x, y = values(steps, "step"), values(steps, name)
    if np.isnan(y).all():
        return None
    figure, axes = _panel(title, unit, x)
    _curve(axes, x, y, _BLUE)
    axes.set_ylim(0 if np.nanmin(y) >= 0 else None, 1 if share else None)
    return figure


def _lengths(steps: Sequence[Event]) -> "Figure | None":
    x, lengths = values(steps, "step"), values(steps, "completions/mean_length")
    clipped = values(steps, "completions/clipped_ratio")
    # A digit is one token long at every step, which nobody needs to see.
    if np.isnan(lengths).all() or np.nanmin(lengths) == np.nanmax(lengths) == 1:
        return None
    figure, axes = _panel("Length of the answers", "mean length (tokens)", x)
    _curve(axes, x, lengths, _BLUE)
    axes.set_ylim(0, None)
    if not np.isnan(clipped).all():
        # Each axis has its curve's colour, which says more than a legend that covers them.
        beside = axes.twinx()
        _curve(beside, x, clipped, _ORANGE)
        beside.set_ylim(0, 1)
        beside.set_ylabel("share cut off at max_completion_length", fontsize=11)
        beside.spines[["top", "left"]].set_visible(False)
        for each, colour in ((axes, _BLUE), (beside, _ORANGE)):
            each.tick_params(axis="y", labelsize=10, colors=colour)
            each.yaxis.label.set_color(colour)
    return figure


def _panel(title: str, unit: str, x: Values) -> "tuple[Figure, Axes]":
    """An empty panel, without pyplot, which keeps every figure alive and chooses a window system."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=14, loc="left", pad=12)
    axes.set_xlabel("step", fontsize=11)
    axes.set_ylabel(unit, fontsize=11)
    axes.tick_params(labelsize=10)
    axes.grid(color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    mark_steps(axes)
    if (window := window_for(len(x))) > 1:
        note = f"dots: logged steps; line: {smoothed_in_words(window)}"
        axes.set_title(note, fontsize=8.5, loc="right", pad=12, color="#666666")
    if x[0] == x[-1]:
        axes.set_xlim(x[0] - 1, x[0] + 1)
    return figure, axes


def _curve(axes: "Axes", x: Values, y: Values, colour: str, width: float = 2.0) -> "Line2D":
    # Not clipped: a share of 0 or 1 lies on the panel's edge.
    if (window := window_for(len(x))) == 1:
        marker_size = 2.5 * width
        return axes.plot(x, y, "-o", color=colour, linewidth=width, markersize=marker_size, clip_on=False)[0]
    size = 7 if len(x) < _FINE_FROM else 4
    axes.plot(x, y, ".", color=colour, alpha=0.25, markersize=size, markeredgewidth=0, clip_on=False)
    return axes.plot(x, smooth(y, window), color=colour, linewidth=width, clip_on=False)[0]


def _legend(axes: "Axes", curves: "dict[str, Line2D]") -> None:
    columns = 1 + len(curves) // 10
    axes.legend(
        list(curves.values()), list(curves), ncols=columns, fontsize=10, edgecolor="none", framealpha=0.85, loc="best"
    )


def mark_steps(axes: "Axes") -> None:
    """Steps are whole numbers, and people count them in ones, twos and fives."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def values(steps: Sequence[Event], name: str) -> Values:
    """A metric over the steps, with NaN where it has no number."""
    found = [event.get(name) for event in steps]
    return np.array([value if isinstance(value, int | float) else np.nan for value in found], dtype=np.float64)


def save(figure: "Figure", path: Path) -> Path:
    """Put the picture in place in one step, so that who looks at it never sees half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with warnings.catch_warnings():
            # A reward named in Chinese has no glyphs in the font that matplotlib brings.
            warnings.filterwarnings("ignore", message="Glyph")
            figure.savefig(beside, format="png")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
