"""What does a mathematical text state: an expression, an equation, or a set, a pair or an interval of expressions?

Only the expressions are left to math-verify, which takes `(1,2)` for `1,2`, and `x=2` for `x^2=4`: it compares as many
solutions as the shorter side has. What holds the expressions is compared by its shape.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

from grpoctl.symbolic.expressions import ExpressionReader
from grpoctl.symbolic.text import FUNCTIONS, NotMath, read_text

# An expression, or what holds expressions: its kind and its parts.
Node = str | tuple[str, tuple["Node", ...]]

SET, UNION, EQUAL, UNEQUAL, LESS, AT_MOST = "{}", "∪", "=", "≠", "<", "≤"
UNORDERED = frozenset({SET, UNION})
_RELATIONS = ("=", "<", ">", "≤", "≥", "≠", "∈")
_NAME = re.compile(r"(?:[A-Za-z]|\\[A-Za-z]+)(?:_(?:[A-Za-z0-9]+|\{[A-Za-z0-9]+\}))?(\([A-Za-z](?:,[A-Za-z])*\))?")
_NO_NAMES = frozenset({"e", "i", r"\pi", r"\infty", *(f"\\{name}" for name in FUNCTIONS)})


class Statement(NamedTuple):
    """What a text states."""

    body: Node
    name: str  # the x of x = 4
    equation: Node | None  # x = 4 as an equation, where it has a name
    letters: frozenset[str]  # the variables and constants of the body
    percent: bool
    unit: str


def read_statement(text: str, letters: Collection[str] | None = None) -> Statement:
    """What the text states; NotMath where it states nothing. `letters`: the gold answer's, None to read that one."""
    tokens, percent, unit = read_text(text, letters)
    tokens = _named_once(tokens)
    name, start = _name(tokens)
    body, letters_read = _body(tokens, start, named=bool(name))
    equation = None
    if name and not name.endswith(")") and isinstance(body, str):
        left = _StatementReader(tokens[: start - 1]).statement(named=False)
        equation = (EQUAL, (f"{left}-({body})",))
    return Statement(body, name, equation, letters_read, percent, unit)


def _body(tokens: list[str], start: int, *, named: bool) -> tuple[Node, frozenset[str]]:
    """What stands behind the name. A ± inside of a group is read once with each sign: \\frac{1\\pm x}{2} are two."""
    bodies = []
    inside = tokens.count("±") == 1 and "," not in tokens and _is_inside(tokens, tokens.index("±"))
    for sign in "+-" if inside else "±":
        reader = _StatementReader([sign if token == "±" else token for token in tokens], start)
        bodies.append(reader.statement(named=named))
    return bodies[0] if not inside else (SET, tuple(bodies)), frozenset(reader.letters)


def _is_inside(tokens: list[str], place: int) -> bool:
    before = tokens[:place]
    return any(before.count(one) > before.count(other) for one, other in (("(", ")"), ("{", "}"), ("[", "]")))


def _named_once(tokens: list[str]) -> list[str]:
    """x = 1, x = 2 as x = 1, 2."""
    again = [",", *tokens[:2]]
    if again[2:] != ["="]:
        return tokens
    found = [place for place in range(len(tokens)) if tokens[place : place + 3] == again]
    named = {place + after for place in found for after in (1, 2)}
    return [token for place, token in enumerate(tokens) if place not in named]


def shape(node: Node) -> str:
    """The kinds of a node and of its parts; what differs in shape is never equal."""
    if isinstance(node, str):
        return "·"
    shapes = [shape(part) for part in node[1]]
    return f"{node[0]}[{' '.join(sorted(shapes) if node[0] in UNORDERED else shapes)}]"


def _name(tokens: list[str]) -> tuple[str, int]:
    """The name in front of the only `=` or `∈`, and where to go on."""
    places = [place for place, token in enumerate(tokens) if token in _RELATIONS]
    if len(places) != 1 or tokens[places[0]] not in ("=", "∈"):
        return "", 0
    name = "".join(tokens[: places[0]])
    return (name, places[0] + 1) if _NAME.fullmatch(name) and name not in _NO_NAMES else ("", 0)


class _StatementReader(ExpressionReader):
    """Reads what holds expressions."""

    def statement(self, *, named: bool) -> Node:
        items = self._relation(named)
        while self._take(",", ";"):
            items += self._relation(named)
        if self._next:
            raise NotMath(f"{self._next} stands where it should end")
        return items[0] if len(items) == 1 else (SET, tuple(items))

    def _relation(self, named: bool) -> list[Node]:
        sides, signs = [self._side()], []
        while not named and (sign := self._take(*_RELATIONS)):
            signs.append(sign)
            sides.append(self._side())
        if not signs:
            return sides[0]
        if any(len(side) > 1 or not isinstance(side[0], str) for side in sides) or "∈" in signs:
            raise NotMath("a relation holds between expressions")
        texts = [str(side[0]) for side in sides]
        if set(signs) <= {">", "≥"}:
            texts.reverse()
            signs = [{">": "<", "≥": "≤"}[sign] for sign in reversed(signs)]
        if len(signs) == 1:
            return [(signs[0], (f"{texts[0]}-({texts[1]})",))]
        return [("".join(signs), tuple(texts))]

    def _side(self) -> list[Node]:
        """One thing, or the two that ± makes of it."""
        if self._next.startswith(r"\begin"):
            return [self._matrix()]
        if self._holds_parts():
            parts: list[Node] = [self._bracketed()]
            while self._take("∪"):
                parts.append(self._bracketed())
            return [parts[0] if len(parts) == 1 else (UNION, tuple(parts))]
        if self._next.isdigit() and self._tokens[self._place + 1 : self._place + 2] == ["_"]:
            return [self._in_base()]
        if self._take("±"):
            value = self.read_sum()
            return [value.text, f"-({value.text})"]
        value = self.read_sum()
        if not self._take("±"):
            return [value.text]
        other = self.read_sum()
        return [f"{value.text}+({other.text})", f"{value.text}-({other.text})"]

    def _holds_parts(self) -> bool:
        """Whether a set, a pair or an interval begins here, and not a group of a sum."""
        if self._next in ("[", r"\{"):
            return True
        depth = 0
        for token in self._tokens[self._place :] if self._next == "(" else ():
            depth += (token in ("(", "[", "{", r"\{")) - (token in (")", "]", "}", r"\}"))
            if depth == 0:
                return False
            if depth == 1 and token in (",", ";"):
                return True
        return False

    def _bracketed(self) -> Node:
        opening = self._take("(", "[", r"\{")
        self.deeper()
        parts = self._side()
        while self._take(",", ";"):
            parts += self._side()
        self._depth -= 1
        closing = self._take(*((r"\}",) if opening == r"\{" else (")", "]")))
        if not opening or not closing or (opening != r"\{" and len(parts) < 2):
            raise NotMath("brackets do not match")
        return (SET if opening == r"\{" else opening + closing, tuple(parts))

    def _matrix(self) -> Node:
        end = self._take(self._next).replace("begin", "end")
        rows: list[list[str]] = [[]]
        while not self._take(end):
            rows[-1].append(self.read_sum().text)
            if self._take(r"\\"):
                rows += [] if self._next == end else [[]]
            elif self._next != end:
                self._expect("&")
        widths = {len(row) for row in rows}
        if len(widths) != 1:
            raise NotMath("the rows of a matrix differ in length")
        return (f"matrix of {widths.pop()}", tuple(cell for row in rows for cell in row))

    def _in_base(self) -> Node:
        figures = self._take(self._next)
        self._expect("_")
        braced = self._take("{")
        base = self._next
        if not base.isdigit():
            raise NotMath("a base is a number")
        self._take(base)
        if braced:
            self._expect("}")
        return (f"base {base}", (f"Integer({int(figures)})",))
