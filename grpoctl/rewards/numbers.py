"""Which one number does a text say, as people write numbers?

A currency, a unit, a percent sign, a name before `=`, LaTeX around it: all of that may stand with the number. A second
number, or words that are no unit, may not: `17 or 18`, `not 18` and `about 18` say no number.
"""

import math
import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from grpoctl.rewards.chinese import in_figures
from grpoctl.rewards.dressing import undressed
from grpoctl.rewards.units import CURRENCY, agree, unit_in

# Longer texts are no number, and the bound keeps hostile ones cheap.
MAX_LENGTH = 120


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


# ASCII figures alone: \d would read Arabic ones as well. Full-width ones are made ASCII first.
_PLAIN = r"(?:[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?|\.[0-9]+)"
_POWER = r"(?: ?[x×*] ?10\^(?P<power>-?[0-9]{1,3}))"
_SCALE = (
    r"(?:(?P<letter> ?k| ?M| ?bn| ?mn| ?mil|K)\b"
    r"| ?(?P<scale>hundred|thousand|lakh|million|crore|billion|trillion|grand)s?\b)"
)
# A number with all that stands with it, but for its unit.
NUMBER = (
    r"(?:(?P<name>[A-Za-z])? ?= ?)?"
    rf"(?P<sign>[-+]?|minus |negative ) ?(?:(?P<currency>{CURRENCY}) ?(?P<second_sign>-?))?"
    rf"(?:(?P<whole>[0-9]+) (?=[0-9]+ ?/))?(?P<top>{_PLAIN})(?: ?/ ?(?P<bottom>{_PLAIN}))?"
    rf"(?:{_POWER}|{_SCALE})?"
    r"(?: ?(?P<percent>%|percent\b|per cent\b))?"
)
_NUMBER = re.compile(NUMBER + "(?P<unit>.*)", re.ASCII | re.DOTALL)
_SCALES = {"k": 10**3, "K": 10**3, "M": 10**6, "mn": 10**6, "mil": 10**6, "bn": 10**9, "hundred": 100,
           "thousand": 10**3, "grand": 10**3, "lakh": 10**5, "million": 10**6, "crore": 10**7, "billion": 10**9,
           "trillion": 10**12}  # fmt: skip
_SIMPLE = re.compile(r"-?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.[0-9]{1,15})?", re.ASCII)
_LARGEST = 10**300  # what is larger may be no float


@lru_cache(maxsize=8192)
def _read(text: str) -> Number | None:
    simple = _simple(text)
    if simple is not None:
        return Number(simple)
    text = in_figures(undressed(text))
    match = _NUMBER.fullmatch(text)
    unit = None if match is None else unit_in(match["unit"])
    if match is None or unit is None or (value := _value(match)) is None:
        return None
    currency = unit_in(match["currency"] or "") or ""
    if currency and len(unit) == 1 and unit.isalpha():  # $18m are millions, or nothing
        return None
    negative = match["sign"] in ("-", "minus ", "negative ") or match["second_sign"] == "-"
    unit = currency + unit if not unit or unit[0] == "/" else unit
    return Number(-value if negative else value, match["percent"] is not None, unit, match["name"] or "")


def _value(match: re.Match[str]) -> int | float | None:
    """Calculated exactly, so that 1.1 million is a whole number."""
    value = _exact(match["top"])
    if match["bottom"] is not None:
        divisor = _exact(match["bottom"])
        if not divisor:
            return None
        value = value / divisor + int(match["whole"] or 0)
    scale = _SCALES.get((match["letter"] or match["scale"] or "").strip(), 1)
    value *= Fraction(10) ** int(match["power"] or 0) * scale
    if value and not Fraction(1, _LARGEST) < value < _LARGEST:
        return None
    return int(value) if value.denominator == 1 else float(value)


def _exact(figures: str) -> Fraction:
    return Fraction(figures.replace(",", ""))
