"""Are two statements equal? Their expressions by math-verify, and what holds the expressions part by part.

A statement is a node as `statements` makes it; one that was read has sympy's expressions in place of the texts.
"""

import logging
from functools import cache
from importlib import import_module
from typing import Any

from grpoctl.symbolic.statements import AT_MOST, EQUAL, LESS, UNEQUAL, UNORDERED, Node

# math-verify takes numbers for equal that differ by less than one part in 10 to this; its 15 makes 2^64 of 2^64 - 1.
_PRECISION = 250

# Whether the math-verify that is installed compares as it is meant to: pairs, and whether they are equal.
_TRIAL = (
    ("sqrt(Integer(8))", "Integer(2)*sqrt(Integer(2))", True), ("(x120+Integer(1))**Integer(2)", "x120", False),
    ("(x1+x2)**Integer(2)", "x1**Integer(2)+Integer(2)*x1*x2+x2**Integer(2)", True),
    ("Integer(2)**Integer(64)", "Integer(2)**Integer(64)-Integer(1)", False), ("I**Integer(2)", "I", False),
    ("sin(x1)**Integer(2)+cos(x1)**Integer(2)", "Integer(1)", True), ("log(Integer(8), Integer(2))", "pi", False),
)  # fmt: skip


def prepare() -> None:
    """Import math-verify, try it, and warm it up."""
    try:
        import_module("math_verify")
    except ModuleNotFoundError as error:
        raise RuntimeError("math needs math-verify: pip install math-verify") from error
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    for one, other, equal in _TRIAL:
        read_one, read_other = read(one), read(other)
        if read_one is None or read_other is None or same(read_one, read_other) is not equal:
            raise RuntimeError(f"math-verify fails on {one} and {other}: pip install math-verify==0.9.0")


def read(node: Node) -> Any:
    """The node with sympy's expressions in it, or None where one has no value, as 1/0.

    Its texts are what `expressions` writes: numbers, operators and the names below, whatever the answer said.
    """
    if not isinstance(node, str):
        kind, parts = node
        read_parts = [read(part) for part in parts]
        return None if any(part is None for part in read_parts) else (kind, tuple(read_parts))
    found = import_module("sympy").sympify(eval(node, {"__builtins__": {}}, _names()))
    return None if found.has(*_no_values()) else found


def same(gold: Any, said: Any) -> bool:
    """Whether two nodes that were read are equal; their shapes are."""
    if not isinstance(gold, tuple):
        return _equal(gold, said)
    (kind, golds), (_, saids) = gold, said
    if kind in UNORDERED:
        return _matched(list(golds), list(saids))
    if kind in (EQUAL, UNEQUAL, LESS, AT_MOST):
        return _proportional(golds[0], saids[0], positive=kind in (LESS, AT_MOST))
    return all(same(one, other) for one, other in zip(golds, saids, strict=True))


def _equal(gold: Any, said: Any) -> bool:
    exact, said_exactly = gold.doit(), said.doit()
    if exact == said_exactly:
        return True
    if exact.is_Rational and said_exactly.is_Rational:
        return False
    verify = import_module("math_verify").verify
    return bool(verify(gold, said, numeric_precision=_PRECISION, strict=True, timeout_seconds=None))


def _matched(golds: list[Any], saids: list[Any]) -> bool:
    """Whether each has its equal among the others; any will do, since equality is transitive."""
    for gold in golds:
        equal = next((place for place, said in enumerate(saids) if _shaped(gold, said) and same(gold, said)), None)
        if equal is None:
            return False
        del saids[equal]
    return not saids


def _shaped(gold: Any, said: Any) -> bool:
    """Whether two parts of sets are of one shape, as `same` wants them."""
    if not (isinstance(gold, tuple) and isinstance(said, tuple)):
        return isinstance(gold, tuple) is isinstance(said, tuple)
    return gold[0] == said[0] and len(gold[1]) == len(said[1])


def _proportional(gold: Any, said: Any, *, positive: bool) -> bool:
    """Whether left minus right of one relation is a number times that of the other."""
    ratio = import_module("sympy").simplify(gold / said)
    return bool(ratio.is_number and (ratio.is_positive if positive else ratio.is_finite and ratio.is_nonzero))


class _Names(dict[str, Any]):
    """sympy's names, and a variable for every other."""

    def __missing__(self, name: str) -> Any:
        self[name] = import_module("sympy").Symbol(name)
        return self[name]


@cache
def _names() -> _Names:
    sympy = import_module("sympy")
    return _Names((name, getattr(sympy, name)) for name in _SYMPYS.split())


@cache
def _no_values() -> tuple[Any, ...]:
    sympy = import_module("sympy")
    return sympy.zoo, sympy.nan


_SYMPYS = """
    Integer Rational Abs floor ceiling factorial binomial sqrt root log exp E I pi oo
    sin cos tan csc sec cot asin acos atan acsc asec acot sinh cosh tanh
"""
