"""How do several data sets become one?"""

from collections.abc import Sequence
from itertools import chain
from typing import TypeVar

Item = TypeVar("Item")


def mix(parts: Sequence[Sequence[Item]], strategy: str) -> list[Item]:
    """One after the other, or in turn until the shortest ends (`interleave_under`) or the longest (`interleave_over`).

    Until the longest ends, the shorter ones start again.
    """
    if strategy == "concat" or len(parts) < 2 or not all(parts):
        return list(chain(*parts))
    rounds = (min if strategy == "interleave_under" else max)(map(len, parts))
    return [part[turn % len(part)] for turn in range(rounds) for part in parts]
