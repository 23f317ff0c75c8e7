"""How does a study of group sizes look? The mean's error against theory, and the accuracies, in one PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from grpoctl.errors import Finding, InputError
from grpoctl.paths import is_folder, user_path
from grpoctl.run.plots import save
from grpoctl.study.result import RECOMMENDED_FOR_MNIST, SizeResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# On a logarithmic scale: the rough ones, and the fine ones where fewer than three of those would be seen.
_TICKS = (
    (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    tuple(round(first * size, 4) for size in (0.001, 0.01, 0.1) for first in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)),
)
_BESIDE = 1.2  # how far an axis of sizes goes on beyond the smallest and the largest
_LEAST_SPAN = 0.02
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#666666"


def png_path(to: str) -> Path:
    """The file to draw into, or InputError."""
    path = user_path(to)
    if path.suffix.lower() != ".png" or is_folder(path):
        raise InputError(Finding("is no name for a PNG file", "give one that ends in .png", file=to))
    return path


def free_path(name: str) -> Path:
    """That name here, or with the first number behind it that no older picture has."""
    path, number = user_path(name), 1
    while path.exists():
        number += 1
        path = user_path(name).with_stem(f"{user_path(name).stem}-{number}")
    return path


def draw_study(results: Sequence[SizeResult], budget: str, path: Path) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _draw_errors(left, results)
    _draw_accuracies(right, results, budget)
    path.parent.mkdir(parents=True, exist_ok=True)
    return save(figure, path)


def _draw_errors(axes: "Axes", results: Sequence[SizeResult]) -> None:
    sizes = [each.num_generations for each in results]
    fine = np.geomspace(*_ends(sizes), 100)
    # All sizes begin with the same policy, so one curve is the theory for all.
    scale = np.mean([each.mean(lambda run: run.first_expected) * each.num_generations**0.5 for each in results])
    axes.plot(fine, scale / np.sqrt(fine), color=_GREY, label="theory: sqrt(mean p(1 - p) / G)")
    _points(axes, sizes, [each.mean(lambda run: run.first_error) for each in results], _BLUE, "measured, first update")
    _points(axes, sizes, [each.mean(lambda run: run.error) for each in results], _ORANGE, "measured, whole training")
    expected = [each.mean(lambda run: run.expected) for each in results]
    axes.plot(sizes, expected, "_", color=_ORANGE, markersize=16, label="theory for the same policies")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    shown = [[tick for tick in ticks if low <= tick <= high] for ticks in _TICKS]
    ticks = next((each for each in shown if len(each) > 2), shown[-1])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    _dress(axes, sizes, "How far a group's mean misses the true chance", "root mean square error")


def _draw_accuracies(axes: "Axes", results: Sequence[SizeResult], budget: str) -> None:
    sizes = [each.num_generations for each in results]
    low, high = RECOMMENDED_FOR_MNIST
    if any(low <= size <= high for size in sizes):
        axes.axvspan(low, high, color="#eeeeee", zorder=0, label=f"the document's G for MNIST, {low} to {high}")
    for each in results:
        dots = [run.test_accuracy for run in each.trained]
        axes.plot([each.num_generations] * len(dots), dots, ".", color=_BLUE, alpha=0.35, markersize=8)
    _points(
        axes, sizes, [each.mean(lambda run: run.test_accuracy) for each in results], _BLUE, "test, likeliest answer"
    )
    _points(axes, sizes, [each.mean(lambda run: run.train_accuracy) for each in results], _ORANGE, "training, sampled")
    bottom, top = axes.get_ylim()
    if top - bottom < _LEAST_SPAN:  # a difference of nothing would look like one
        axes.set_ylim((bottom + top - _LEAST_SPAN) / 2, (bottom + top + _LEAST_SPAN) / 2)
    _dress(axes, sizes, f"Accuracy at {budget}", "share of digits right")


def _points(axes: "Axes", sizes: Sequence[int], values: Sequence[float], colour: str, label: str) -> None:
    axes.plot(sizes, values, "-o", color=colour, label=label, linewidth=1.4, markersize=5)


def _ends(sizes: Sequence[int]) -> tuple[float, float]:
    return min(sizes) / _BESIDE, max(sizes) * _BESIDE


def _dress(axes: "Axes", sizes: Sequence[int], title: str, unit: str) -> None:
    axes.set_title(title, fontsize=13, loc="left", pad=10)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xlim(*_ends(sizes))
    axes.minorticks_off()
    axes.set_xlabel("G, answers to each picture", fontsize=11)
    axes.set_ylabel(unit, fontsize=11)
    axes.grid(color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=9, edgecolor="none", framealpha=0.85)
