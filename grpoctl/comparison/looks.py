"""What look has each run in a picture, and which curve?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from grpoctl.comparison.columns import shortened
from grpoctl.comparison.runs import ComparedRun
from grpoctl.errors import printable
from grpoctl.run.events import STEP, lasting, read_events
from grpoctl.run.plots import values
from grpoctl.run.smoothing import Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which the colour-blind tell apart, in three kinds of line: enough for 21 runs.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))

_LONGEST_NAME = 30


@dataclass(frozen=True)
class Drawn:
    """A run as it is drawn."""

    run: ComparedRun
    label: str
    colour: str
    dashes: Any
    steps: Values
    rewards: Values


def drawn_runs(runs: Sequence[ComparedRun]) -> list[Drawn]:
    labels = shortened([printable(run.name) for run in runs], [_LONGEST_NAME] * len(runs))
    looks = [(colour, dashes) for dashes, colour in product(_DASHES, _COLOURS)]
    return [
        # A dollar sign would begin a formula.
        Drawn(run, label.replace("$", r"\$"), *look, *_curve(run))
        for run, label, look in zip(runs, labels, looks, strict=False)
    ]


def _curve(run: ComparedRun) -> tuple[Values, Values]:
    """The steps that have a reward, and the reward."""
    steps = [event for event in lasting(read_events(run.directory.events)[0]) if event["event"] == STEP]
    x, y = values(steps, "step"), values(steps, "reward")
    there = ~(np.isnan(x) | np.isnan(y))
    return x[there], y[there]


def plain(axes: "Axes", lines: str) -> None:
    """No more lines than those that help to read."""
    axes.grid(axis=lines, color="#dddddd", linewidth=0.7)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
