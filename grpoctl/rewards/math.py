"""Is the answer equal to the gold answer as mathematics, however either is written?"""

import re
from collections.abc import Sequence

from grpoctl.errors import shown
from grpoctl.rewards.dressing import undressed
from grpoctl.rewards.numbers import equal, read_number
from grpoctl.rewards.registry import Score, reward
from grpoctl.rewards.tags import last_tagged
from grpoctl.symbolic.pairs import Pair, compare, read_gold
from grpoctl.symbolic.process import shared
from grpoctl.symbolic.text import NotMath


@reward(maximum=1.0, slow=True)
def math(completions: Sequence[str], answer: Sequence[str], *, answer_tag: str = "answer") -> list[Score]:
    """1 where the text of the last answer tag equals the gold answer as mathematics, by math-verify; else 0."""
    found = [
        _settle(last_tagged(completion, answer_tag), gold) for completion, gold in zip(completions, answer, strict=True)
    ]
    verdicts = iter(shared.judge([pair for pair in found if isinstance(pair, Pair)]))
    return [
        _score(next(verdicts) if isinstance(pair, Pair) else pair, gold)
        for pair, gold in zip(found, answer, strict=True)
    ]


def _settle(said: str | None, gold: str) -> bool | Pair:
    """Whether the answer is right, where that shows without math-verify."""
    if said is None:
        return False
    said = said.strip()
    if said == gold.strip():
        return True
    as_numbers = _equal_as_numbers(said, gold)
    if as_numbers is not None:
        return as_numbers
    if (words := _WORDS.fullmatch(gold.strip())) is not None:
        return undressed(said).casefold() == undressed(words[0]).casefold()
    try:
        return compare(said, read_gold(gold))
    except NotMath as error:
        raise ValueError(_unreadable(gold, str(error))) from None


# \text{(A)} and \text{Evelyn}
_WORDS = re.compile(r"\\text ?\{[^{}]+\}")
# In mathematics 3m is a product, though as a number it may be three metres. 3k is 3000 where that was asked for.
_PRODUCT = re.compile(r"[0-9}] ?[A-Za-z](?:\$|\\\)|[.\s])*$")
_THOUSANDS = re.compile(r"[0-9] ?[kKM](?:\$|\\\)|[.\s])*$")


def _equal_as_numbers(said: str, gold: str) -> bool | None:
    """None where one of them is no single number."""
    wanted = read_number(gold)
    number = None if wanted is None else read_number(said)
    if wanted is None or number is None:
        return None
    product = _PRODUCT.search(gold) or (_PRODUCT.search(said) and not _THOUSANDS.search(said) and r"\circ" not in said)
    if product and (not wanted.unit or number.unit != wanted.unit):
        return None
    return equal(number, wanted)


def _score(verdict: bool | None, gold: str) -> float:
    if verdict is None:
        raise ValueError(_unreadable(gold, "math-verify reads no expression in it"))
    return 1.0 if verdict else 0.0


def _unreadable(gold: str, reason: str) -> str:
    return f"answer: is {shown(gold)}, which is no expression ({reason}); use accuracy where answers are texts"
