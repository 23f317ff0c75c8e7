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


def columns_of(
    rows: Sequence[Row], prompts: Sequence[str] | None = None, tokens: Sequence[int] | None = None
) -> dict[str, list[Any]]:
    """What rewards read beside the completions: every column of the data set, the gold answers, and what is given."""
    names = dict.fromkeys(name for row in rows for name in row.columns)
    gold, questions = [row.answer for row in rows], [row.question for row in rows]
    columns = {name: [row.columns.get(name) for row in rows] for name in names}
    given: dict[str, list[Any]] = {"question": questions, "references": gold, **columns, "answer": gold}
    if prompts is not None:
        given["prompts"] = list(prompts)
    if tokens is not None:
        given["completion_tokens"] = list(tokens)
    return given


def hold_back(problems: Sequence[Problem], count: int, seed: int) -> tuple[list[Problem], list[Problem]]:
    """The problems to train on and so many to evaluate on, drawn by the seed, both in the order of the data."""
    held = set(random.Random(f"{seed} held back").sample(range(len(problems)), min(count, len(problems))))
    return (
        [problem for index, problem in enumerate(problems) if index not in held],
        [problem for index, problem in enumerate(problems) if index in held],
    )
