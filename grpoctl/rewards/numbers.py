"""Which one number does a text say, as people write numbers?"""

import math
import re

# Longer texts are no number, and the bound keeps hostile ones cheap.
MAX_LENGTH = 100

# ASCII digits alone: \d would read Arabic and full-width ones as well.
_PLAIN = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?|\.[0-9]+)"
_NUMBER = re.compile(rf"([-+]?)\s?[$€£¥]?\s?({_PLAIN})(?:\s?/\s?({_PLAIN}))?\.?", re.ASCII)


def number_in(text: str) -> float | None:
    """The number, or None where the text says no number, several, or more than a number."""
    text = text.strip()
    match = _NUMBER.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match is None:
        return None
    sign, top, bottom = match.groups()
    value = float(top.replace(",", ""))
    if bottom is not None:
        divisor = float(bottom.replace(",", ""))
        value = value / divisor if divisor else math.nan
    value = -value if sign == "-" else value
    return value if math.isfinite(value) else None


def same_number(one: float, other: float) -> bool:
    """Equal but for rounding; 18.0001 is not 18."""
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
