"""How does a recipe's value read in the cell of a table, and where do long values differ?"""

import json
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from grpoctl.errors import printable
from grpoctl.table import columns_of

NOTHING = "-"
_LONGEST = 40


def value_in_cell(recipe: Mapping[str, Any], key: str) -> str:
    """A recipe's value as one would write it in YAML."""
    if key not in recipe:
        return NOTHING
    value = recipe[key]
    if key == "reward_funcs" and isinstance(value, list):
        return ", ".join(map(_reward, value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return printable(text)


def _reward(entry: Any) -> str:
    """A reward's name, with its weight and its arguments where those are not the usual ones."""
    if not isinstance(entry, dict):
        return printable(str(entry))
    given, weight = entry.get("args"), entry.get("weight", 1)
    arguments = ", ".join(f"{name}={value}" for name, value in given.items()) if isinstance(given, dict) else ""
    return printable(
        f"{entry.get('use')}{f'({arguments})' if arguments else ''}{'' if weight == 1 else f' × {weight}'}"
    )


def telling_apart(values: Sequence[str]) -> list[str]:
    """Values of which the long ones are cut, so that where they differ is seen."""
    letters = zip(*(value for value in values if value != NOTHING), strict=False)
    shared = sum(1 for _ in takewhile(lambda at_one_place: len({*at_one_place}) == 1, letters))
    start = max(0, shared - 10)
    return [
        value if columns_of(value) <= _LONGEST else _cut(("…" if start else "") + value[start:]) for value in values
    ]


def _cut(text: str) -> str:
    if columns_of(text) <= _LONGEST:
        return text
    text = text[:_LONGEST]  # a chat template has thousands of characters, and each is a step below
    while columns_of(text) > _LONGEST - 1:
        text = text[:-1]
    return text + "…"
