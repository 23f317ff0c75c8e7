"""How far is the number that one text says from that of another?

Most answers are bare figures. What reads all others, and their units, is imported when there is one.
"""

import math
import re
from functools import lru_cache
from typing import NamedTuple

# Longer texts are no number, and the bound keeps hostile ones cheap.
MAX_LENGTH = 120

_SIMPLE = re.compile(r"-?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.[0-9]{1,15})?", re.ASCII)


class Number(NamedTuple):
    """A number and what stood with it."""

    value: int | float
    percent: bool = False
    unit: str = ""
    name: str = ""  # the x of x = 4


def apart(said: str, gold: str) -> float | None:
    """How far the number that one text says is from that of the other, as a share of it; None where one says none.

    0 only where they are equal.
    """
    if said.isdigit() and gold.isdigit() and said.isascii() and gold.isascii() and len(said) < 19 > len(gold):
        number, wanted = int(said), int(gold)  # nearly always, and so without all that follows
        return 0.0 if number == wanted else abs(number - wanted) / wanted if wanted else math.inf
    value, wanted_value = _simple(said), _simple(gold)
    if value is not None and wanted_value is not None:
        return _apart(value, wanted_value)
    one, other = read_number(said), read_number(gold)
    return None if one is None or other is None else distance(one, other)


def _simple(text: str) -> int | float | None:
    """The value of what has nothing but figures, a point and thousands separators."""
    if len(text) > 18:
        return None
    if text.isdigit() and text.isascii():
        return int(text)
    if _SIMPLE.fullmatch(text) is None:
        return None
    figures = text.replace(",", "")
    return float(figures) if "." in figures else int(figures)


def read_number(text: str) -> Number | None:
    """The number, or None where the text says no number, several, or more than a number."""
    text = text.strip()
    return _read(text) if len(text) <= MAX_LENGTH else None


@lru_cache(maxsize=8192)
def _read(text: str) -> Number | None:
    simple = _simple(text)
    if simple is not None:
        return Number(simple)
    from grpoctl.rewards.number_words import read_words

    return read_words(text)


def equal(said: Number, gold: Number) -> bool:
    """The same number; where both bring a unit or a name, that is the same as well."""
    return distance(said, gold) == 0.0


def distance(said: Number, gold: Number) -> float:
    """How far the said number is from the gold one, as a share of it; 0 only where they are equal."""
    if said[1:] == gold[1:]:  # nearly always, as both are bare
        return _apart(said.value, gold.value)
    if not _comparable(said, gold):
        return math.inf
    return min(_apart(value, wanted) for value, wanted in _readings(said, gold))


def _comparable(said: Number, gold: Number) -> bool:
    from grpoctl.rewards.units import agree

    return agree(said.unit, gold.unit) and (not (said.name and gold.name) or said.name == gold.name)


def _readings(said: Number, gold: Number) -> list[tuple[float, float]]:
    """The pairs of values to compare: 50% stands for 50 where percents were asked for, and for a gold 0.5 or 1/2."""
    if said.percent and not gold.percent and abs(gold.value) < 1:
        return [(said.value / 100, gold.value)]
    if gold.percent and not said.percent:
        return [(said.value, gold.value), (said.value, gold.value / 100)]
    return [(said.value, gold.value)]


def _apart(value: float, wanted: float) -> float:
    """The distance as a share, and 0 for what rounding alone sets apart; from whole numbers nothing does."""
    if value == wanted:
        return 0.0
    if wanted != int(wanted) and math.isclose(value, wanted, rel_tol=1e-9):
        return 0.0
    return abs(value - wanted) / abs(wanted) if wanted else math.inf
