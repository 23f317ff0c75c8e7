"""What does an expression say, in a form that can be read in one way: a Python expression of sympy's names?

math-verify's own parser reads `15(3)` as a mixed number, 18; drops the 7 of `18_7` and the degrees of `18^\\circ`;
takes `d\\cdot x` for a differential and `X` for `x`; and needs 4 ms a text. So answers are read here, and it compares.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from grpoctl.symbolic.text import FUNCTIONS, NotMath

# Deeper ones are nobody's answer, and Python's stack has an end.
_MAX_DEPTH = 16


class Part(NamedTuple):
    """Canonical text, how tightly it holds together, and its value where it is a whole number."""

    text: str
    level: int
    whole: int | None = None

    def at(self, level: int) -> str:
        return self.text if self.level >= level else f"({self.text})"


_SUM, _PRODUCT, _POWER, _ATOM = range(4)


class ExpressionReader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[str], start: int = 0) -> None:
        self._tokens = tokens
        self._place = start
        self._depth = 0
        self._bars = 0
        self.letters: set[str] = set()  # the variables and constants that were read

    @property
    def _next(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._next
        if token not in wanted or not token:
            return ""
        self._place += 1
        return token

    def _expect(self, wanted: str) -> None:
        if not self._take(wanted):
            raise NotMath(f"{wanted} is missing")

    def deeper(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotMath("it is nested too deep")

    def _inside(self, closing: str, read: Callable[[], Part] | None = None) -> Part:
        """What stands up to the closing bracket; bars outside of it do not count inside."""
        self.deeper()
        bars, self._bars = self._bars, 0
        value = (read or self.read_sum)()
        self._expect(closing)
        self._depth, self._bars = self._depth - 1, bars
        return value

    def read_sum(self) -> Part:
        sign = self._take("+", "-")
        value = self._product()
        if sign == "-":
            value = Part(f"-{value.at(_PRODUCT)}", _SUM)
        while sign := self._take("+", "-"):
            value = Part(f"{value.text}{sign}{self._product().at(_PRODUCT)}", _SUM)
        return value

    def _product(self) -> Part:
        value = self._adjacent()
        while sign := self._take("*", "/"):
            negative = self._take("-")
            other = self._adjacent()
            if negative:
                other = Part(f"-{other.at(_PRODUCT)}", _SUM)
            value = _times(value, other) if sign == "*" else _divided(value, other)
        return value

    def _adjacent(self) -> Part:
        """Factors without a sign between them, which bind tighter than a division: 1/2x is 1/(2x)."""
        value = self._mixed_number() or self._power()
        while self._starts_a_factor():
            value = _times(value, self._power())
        return value

    def _starts_a_factor(self) -> bool:
        """A number does not: `17 18` is no product."""
        token = self._next
        if token == "|":
            return not self._bars
        return token in ("(", "{") or token.isalpha() or (token.startswith("\\") and token[1:].isalpha() and
                                                          token not in (r"\rfloor", r"\rceil"))  # fmt: skip

    def _mixed_number(self) -> Part | None:
        """3\\frac{1}{2} is 3.5, where all three are whole, and else a product; in neither case is it read twice."""
        whole = self._next
        if not (whole.isdigit() and self._tokens[self._place + 1 : self._place + 2] == [r"\frac"]):
            return None
        self._place += 2
        top, bottom = self._pair_of_arguments()
        if top.whole is not None and bottom.whole is not None and 0 < top.whole < bottom.whole:
            return _number(int(whole) + Fraction(top.whole, bottom.whole))
        return _times(_number(Fraction(whole)), self._raised(_divided(top, bottom)))

    def _power(self) -> Part:
        return self._raised(self._atom())

    def _raised(self, value: Part) -> Part:
        while self._take("!"):
            value = _applied("factorial", value)
        if self._take("^"):
            value = _raised(value, self._exponent())
        return value

    def _exponent(self) -> Part:
        self.deeper()
        if self._take("{"):
            value = self._inside("}")
        elif self._take("-"):
            value = Part(f"-{self._power().at(_PRODUCT)}", _SUM)
        else:
            value = self._power()  # towers go to the right: 2^3^2 is 2^9
        self._depth -= 1
        return value

    def _atom(self) -> Part:
        token = self._next
        if token[:1].isdigit() or token[:1] == ".":
            self._place += 1
            return _number(Fraction(token))
        if token in ("(", "{"):
            self._place += 1
            return self._inside(")" if token == "(" else "}")
        if token == "|" and not self._bars:
            self._place += 1
            return _applied("Abs", self._between_bars())
        if token in (r"\lfloor", r"\lceil"):
            self._place += 1
            return _applied("floor" if token == r"\lfloor" else "ceiling", self._inside(token.replace("l", "r", 1)))
        if token == r"\frac":
            self._place += 1
            return _divided(*self._pair_of_arguments())
        if token == r"\binom":
            self._place += 1
            return _applied("binomial", *self._pair_of_arguments())
        if token[1:] in FUNCTIONS:
            self._place += 1
            return self._root() if token == r"\sqrt" else self._function(token)
        return self._letter()

    def _between_bars(self) -> Part:
        self.deeper()
        self._bars += 1
        value = self.read_sum()
        self._bars -= 1
        self._expect("|")
        self._depth -= 1
        return value

    def _pair_of_arguments(self) -> tuple[Part, Part]:
        if len(self._next) == 2 and self._next.isdigit():  # \frac12
            both = self._take(self._next)
            return _number(Fraction(both[0])), _number(Fraction(both[1]))
        return self._argument(), self._argument()

    def _argument(self) -> Part:
        if self._take("{"):
            return self._inside("}")
        if len(self._next) > 1 and not self._next.startswith("\\"):
            raise NotMath("an argument of several figures stands in braces")
        if not (self._next.isalnum() or self._next.startswith("\\")):
            raise NotMath("an argument is missing")
        return self._atom()

    def _root(self) -> Part:
        degree = self._inside("]") if self._take("[") else None
        value = self._inside(")") if self._take("(") else self._argument()
        return _applied("root", value, degree) if degree else _applied("sqrt", value)

    def _function(self, name: str) -> Part:
        base = self._argument() if name == r"\log" and self._take("_") else None
        power = self._exponent() if self._take("^") else None
        if power and power.whole is None:
            raise NotMath(f"{name} has a power that may mean its inverse")
        value = self._inside(")") if self._take("(") else self._bare_argument()
        if name == r"\log":
            applied = _applied("log", value, base or _number(Fraction(10)))
        else:
            applied = _applied(_SYMPYS.get(name[1:], name[1:]), value)
        if name == r"\exp":
            self.letters.add("e")
        return _raised(applied, power) if power else applied

    def _bare_argument(self) -> Part:
        """sin 2x y is sin(2xy), and sin x cos x ends before the cosine."""
        value = self._power()
        while self._starts_a_factor() and self._next[1:] not in FUNCTIONS and self._next != "(":
            value = _times(value, self._power())
        return value

    def _letter(self) -> Part:
        token = self._next
        if not (token.isalpha() or (token.startswith("\\") and token[1:].isalpha())):
            raise NotMath(f"{token or 'the end'} stands where an expression should")
        self._place += 1
        if token in (r"\pi", r"\infty"):
            return Part("pi" if token == r"\pi" else "oo", _ATOM)
        name = token
        if self._take("_"):
            name += f"_{self._subscript()}"
        self.letters.add(name)
        if name in ("e", "i"):
            return Part(name.upper(), _ATOM)
        return Part(f"x{int.from_bytes(name.encode())}", _ATOM)  # a name of its own, whatever letters it has

    def _subscript(self) -> str:
        braced = self._take("{")
        name = ""
        while self._next.isalnum() and (braced or not name):
            name += self._take(self._next)
        if braced:
            self._expect("}")
        if not name:
            raise NotMath("a subscript is a name or a number")
        return name


# Where sympy's name is not LaTeX's.
_SYMPYS = {"ln": "log", **{f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "csc", "sec", "cot")}}


def _number(value: Fraction) -> Part:
    if value.denominator == 1:
        return Part(f"Integer({value.numerator})", _ATOM, value.numerator)
    return Part(f"Rational({value.numerator}, {value.denominator})", _ATOM)


def _applied(function: str, *values: Part) -> Part:
    return Part(f"{function}({', '.join(value.text for value in values)})", _ATOM)


def _raised(value: Part, power: Part) -> Part:
    return Part(f"{value.at(_ATOM)}**({power.text})", _POWER)


def _times(one: Part, other: Part) -> Part:
    return Part(f"{one.at(_PRODUCT)}*{other.at(_PRODUCT)}", _PRODUCT)


def _divided(top: Part, bottom: Part) -> Part:
    if top.whole is not None and bottom.whole:
        return _number(Fraction(top.whole, bottom.whole))
    return Part(f"{top.at(_POWER)}/{bottom.at(_POWER)}", _PRODUCT)
