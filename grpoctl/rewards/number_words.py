"""Which one number does a text say, as people write numbers?

A currency, a unit, a percent sign, a name before `=`, LaTeX around it: all of that may stand with the number. A second
number, or words that are no unit, may not: `17 or 18`, `not 18` and `about 18` say no number.
"""

import re
from fractions import Fraction

from grpoctl.rewards.chinese import in_figures
from grpoctl.rewards.dressing import undressed
from grpoctl.rewards.numbers import Number
from grpoctl.rewards.units import CURRENCY, unit_in

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
_LARGEST = 10**300  # what is larger may be no float


def read_words(text: str) -> Number | None:
    """The number, or None where the text says no number, several, or more than a number."""
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
