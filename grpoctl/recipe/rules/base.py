"""What is a rule between keys?

A rule reads a recipe whose keys are right one by one and yields what is wrong between them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grpoctl.recipe.schema import Recipe


@dataclass(frozen=True)
class Clash:
    """One contradiction: the key that carries it, and the others that take part.

    It is dropped where one of these keys was wrong itself: the first error is the one to mend.
    """

    key: str
    problem: str
    fix: str
    with_keys: tuple[str, ...] = ()
    warning: bool = False


Rule = Callable[[Recipe], Iterator[Clash]]
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    """Register a rule."""
    RULES.append(function)
    return function
