"""Which problems are trained on, and which are held back to evaluate on?"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grpoctl.data.rows import Row


@dataclass(frozen=True, slots=True)
class Problem:
    """A row and the prompt that the model sees of it."""

    prompt: str
    row: Row


def columns_of(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """What rewards read beside the completions: every column of the data set, and the gold answers."""
    names = dict.fromkeys(name for row in rows for name in row.columns)
    return {**{name: [row.columns.get(name) for row in rows] for name in names}, "answer": [row.answer for row in rows]}


def hold_back(problems: Sequence[Problem], count: int, seed: int) -> tuple[list[Problem], list[Problem]]:
    """The problems to train on and so many to evaluate on, drawn by the seed, both in the order of the data."""
    held = set(random.Random(f"{seed} held back").sample(range(len(problems)), min(count, len(problems))))
    return (
        [problem for index, problem in enumerate(problems) if index not in held],
        [problem for index, problem in enumerate(problems) if index in held],
    )
