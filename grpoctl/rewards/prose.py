"""Which number does a text say first, whatever stands around it?"""

import re

from grpoctl.rewards.dressing import undressed
from grpoctl.rewards.number_words import NUMBER
from grpoctl.rewards.numbers import Number, read_number
from grpoctl.rewards.unit_words import NUMBER_WORDS, PROSE
from grpoctl.rewards.units import singular, unit_in

# Answers are short, and the bound keeps hostile ones cheap.
_READ_AT_MOST = 300

_FIRST = re.compile(rf"(?<![A-Za-z0-9.,^_]){NUMBER}", re.ASCII)
# What makes another number of the one behind it, or of the one in front of it.
_TURNED = re.compile(
    r"(?:[-<>≤≥≠!^√]|[*/×+] ?|(?:\b(?:not|never|no|nor|neither|but|than|under|over|below|above|except)|n't)\b"
    r"\W+(?:\w+\W+){0,2}|[不非没沒][是到等于於]{0,2}) ?$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r" ?[*/^×÷<>=²³π‰%\\兆打]|[成折(]| ?(?:[-+~]|to|and) ?[0-9A-Za-z(]|[.,:_]?[0-9]| [0-9]|[A-Za-z]+[0-9]"
)
_NEXT_WORD = re.compile(r" ?[A-Za-z]+")


def first_number(text: str) -> Number | None:
    """The first number, as of `about 18 pages`; None where there is none, and for that of `not 18` and of `18^2`."""
    text = undressed(text[:_READ_AT_MOST])
    match = _FIRST.search(text)
    if match is None or _TURNED.search(text[: match.start()]) or _GOES_ON.match(text, match.end()):
        return None
    word = _NEXT_WORD.match(text, match.end())
    if word is not None and _makes_another(word[0], behind_money=bool(match["currency"])):
        return None
    return read_number(match[0])


def _makes_another(word: str, *, behind_money: bool) -> bool:
    """As the dozen of `18 dozen` does, the x of `18x` and the m of `$18m`; the or of `18 or so` does not."""
    bare = word.strip().lower()
    if bare in ("pi", "times", "squared", "cubed", "plus", "minus", "point") or singular(bare) in NUMBER_WORDS:
        return True
    if not word.startswith(" ") or len(bare) == 1 or (len(bare) == 2 and bare not in PROSE):
        return unit_in(word) is None or (behind_money and len(bare) == 1)
    return False
