"""Is an answer right as it is written, wrong as it is written, or does it take mathematics to tell?"""

from functools import lru_cache
from typing import NamedTuple

from grpoctl.rewards.units import agree
from grpoctl.symbolic.statements import Node, Statement, read_statement, shape
from grpoctl.symbolic.text import NotMath


class Pair(NamedTuple):
    """Two statements of one shape, which differ as they are written."""

    gold: Node
    said: Node


@lru_cache(maxsize=1024)  # the completions of a prompt share their gold answer
def read_gold(text: str) -> Statement:
    """What a gold answer states; NotMath, with the reason, where it states nothing."""
    return read_statement(text)


def compare(said_text: str, gold: Statement) -> bool | Pair:
    """Whether the answer says what gold says, or the pair of which that has to be found out."""
    try:
        said = read_statement(said_text, _letters(gold))
    except NotMath:
        return False
    if said.percent is not gold.percent or not agree(said.unit, gold.unit) or not _agree(said.name, gold.name):
        return False
    for gold_node, said_node in _readings(gold, said):
        if shape(gold_node) == shape(said_node):
            return gold_node == said_node or Pair(gold_node, said_node)
    return False


_CONSTANTS = frozenset("ei")  # e^0 is 1


def _agree(one: str, other: str) -> bool:
    return not (one and other) or one == other


def _readings(gold: Statement, said: Statement) -> list[tuple[Node, Node]]:
    """x = 4 stands for 4 as well as for the equation; an answer has no variable that gold has not."""
    unknown = said.letters - _CONSTANTS
    readings: list[tuple[Node, Node]] = [(gold.body, said.body)] if unknown <= gold.letters else []
    if gold.equation is not None and not said.name and unknown <= _letters(gold):
        readings.append((gold.equation, said.body))
    if said.equation is not None and not gold.name and _letters(said) <= gold.letters:
        readings.append((gold.body, said.equation))
    return readings


def _letters(statement: Statement) -> frozenset[str]:
    return statement.letters | {statement.name}
