"""Which digits does a network take for which, and where is it most wrong? One picture, drawn after training."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grpoctl.data.problems import Problem
from grpoctl.digits.idx import SIDE
from grpoctl.digits.pixels import pixels_of
from grpoctl.engines.mlp.network import DIGITS
from grpoctl.engines.mlp.sampler import DigitSampler
from grpoctl.packages import missing_packages
from grpoctl.run.plots import save

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

_log = logging.getLogger(__name__)

Counts = NDArray[np.int64]

_ACROSS, _DOWN = 6, 4
_LEAST = 0.001


def draw_mistakes(sampler: DigitSampler, problems: Sequence[Problem], folder: Path) -> Path | None:
    """mistakes.png: the confusion matrix, and the pictures whose wrong answer the network was surest of."""
    if missing_packages(("matplotlib",)):
        _log.warning("mistakes.png: takes matplotlib, which is not installed; pip install matplotlib.")
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    prompts = [problem.prompt for problem in problems]
    labels = np.array([int(problem.row.answer) for problem in problems])
    log_probs = sampler.log_probs(prompts)
    said = log_probs.argmax(axis=1)
    figure = Figure(figsize=(13, 6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = np.asarray(figure.subfigures(1, 2, width_ratios=(1, 1.15)))
    _draw_confusion(left, confusion(labels, said))
    worst = worst_first(labels, said, log_probs)[: _ACROSS * _DOWN]
    _draw_worst(right, pixels_of([prompts[place] for place in worst]), labels[worst], said[worst], log_probs[worst])
    folder.mkdir(exist_ok=True)
    return save(figure, folder / "mistakes.png")


def confusion(labels: Any, said: Any) -> Counts:
    """How often each digit (rows) was taken for each (columns)."""
    counts: Counts = np.zeros((DIGITS, DIGITS), np.int64)
    np.add.at(counts, (labels, said), 1)
    return counts


def worst_first(labels: Any, said: Any, log_probs: Any) -> Counts:
    """The places of the wrong answers, the surest in front."""
    wrong = np.flatnonzero(labels != said)
    order: Counts = wrong[np.argsort(-log_probs[wrong, said[wrong]], kind="stable")]
    if len(np.unique(said)) == 1:  # it is as sure of all: one picture of each digit in turn, or all would be of one
        turns = np.zeros(len(order), np.int64)
        for digit in range(DIGITS):
            places = np.flatnonzero(labels[order] == digit)
            turns[places] = np.arange(len(places))
        order = order[np.argsort(turns, kind="stable")]
    return order


def _draw_confusion(part: "SubFigure", counts: Counts) -> None:
    axes = part.subplots()
    total, right = int(counts.sum()), int(np.trace(counts))
    answered = np.flatnonzero(counts.sum(axis=0))
    every = f": every picture is a {answered[0]} to it" if len(answered) == 1 and total > 1 else ""
    axes.set_title(f"{right:,} of {total:,} right ({right / total:.1%}){every}", fontsize=13, loc="left", pad=10)
    # Mistakes would not show beside the hundreds of the diagonal, so the colours are of them alone.
    wrong = np.where(np.eye(DIGITS, dtype=bool), 0, counts)
    axes.imshow(wrong, cmap="Reds", vmin=0, vmax=max(1, int(wrong.max()) * 1.4))
    for row in range(DIGITS):
        for column in range(DIGITS):
            number = int(counts[row, column])
            colour, weight = ("#0072B2", "bold") if row == column else ("#222222", "normal")
            if number:
                axes.text(column, row, f"{number}", ha="center", va="center", fontsize=9, color=colour, weight=weight)
    axes.set_xticks(range(DIGITS))
    axes.set_yticks(range(DIGITS))
    axes.tick_params(length=0, labelsize=10)
    axes.set_xlabel("the network says", fontsize=11)
    axes.set_ylabel("the picture is labelled", fontsize=11)
    axes.spines[:].set_visible(False)


def _draw_worst(part: "SubFigure", pixels: Any, labels: Any, said: Any, log_probs: Any) -> None:
    part.suptitle("The wrong answers that it was surest of", fontsize=13, x=0.02, ha="left")
    panels = part.subplots(_DOWN, _ACROSS, squeeze=False).ravel()
    for axes in panels:
        axes.axis("off")
    for axes, picture, label, digit, chances in zip(panels, pixels, labels, said, log_probs, strict=False):
        axes.imshow(picture.reshape(SIDE, SIDE), cmap="gray_r", vmin=0, vmax=255)
        chance_of_right = np.exp(chances[label])
        right = f"{chance_of_right:.1%}" if chance_of_right >= _LEAST else "<0.1%"
        axes.set_title(f"says {digit}: {np.exp(chances[digit]):.1%}\nis {label}: {right}", fontsize=8.5)
