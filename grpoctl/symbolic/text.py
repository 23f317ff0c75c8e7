"""Which tokens does a mathematical text hold, below its wrapping, its spacing and its unit?"""

import re
from collections.abc import Collection
from typing import NamedTuple

from grpoctl.rewards.unit_words import SAME
from grpoctl.rewards.units import unit_in
from grpoctl.symbolic.spelling import in_latex

# Longer texts are no answer, and the bound keeps hostile ones cheap.
MAX_LENGTH = 200


class NotMath(ValueError):
    """The text is no expression: prose, an unknown command, or brackets that do not match."""


class Text(NamedTuple):
    """The tokens of a text, and what stood with them."""

    tokens: list[str]
    percent: bool
    unit: str


_FUNCTIONS = "sin cos tan csc sec cot arcsin arccos arctan arccsc arcsec arccot sinh cosh tanh log ln exp sqrt"
FUNCTIONS = frozenset(_FUNCTIONS.split())
_GREEK = """
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau upsilon
    phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell
"""
_KEPT = frozenset([*FUNCTIONS, *_GREEK.split(), "frac", "binom", "lfloor", "rfloor", "lceil", "rceil"])
_SPACE = "left right quad qquad displaystyle thinspace big Big bigl bigr Bigl Bigr"
_SPACES = frozenset(_SPACE.split())
_CONSTANTS = {"pi": r"\pi", "infty": r"\infty", "infinity": r"\infty"}
_SAME = {
    "times": "*", "cdot": "*", "div": "/", "leq": "≤", "le": "≤", "leqslant": "≤", "geq": "≥", "ge": "≥",
    "geqslant": "≥", "lt": "<", "gt": ">", "ne": "≠", "neq": "≠", "in": "∈", "cup": "∪", "pm": "±", "lvert": "|",
    "rvert": "|", "vert": "|", "lbrace": r"\{", "rbrace": r"\}", "tfrac": r"\frac", "dfrac": r"\frac",
    "cfrac": r"\frac", "dbinom": r"\binom", "tbinom": r"\binom",
}  # fmt: skip

_FIGURES = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_THOUSANDS = r"[0-9]{1,3}(?:(?:,|\{,\})[0-9]{3})+(?![0-9])(?:\.[0-9]+)?"
_TOKEN = re.compile(
    rf"(?P<space>\s+|\\[,;:!\s])|(?P<figures>{_FIGURES}(?:[eE][-+]?[0-9]{{1,3}}(?![0-9.]))?)"
    r"|\\(?P<matrix>(?:begin|end)\{[pb]?matrix\})|\\(?P<command>[A-Za-z]+)|(?P<word>[A-Za-z]+)"
    r"|(?P<sign>\*\*|<=|>=|\\\\|\\[{}]|[-+*/^_!(){}\[\]|,;=<>≤≥≠∈∪±&])",
    re.ASCII,
)
_THOUSANDS_HERE = re.compile(_THOUSANDS, re.ASCII)
_OPENING, _CLOSING = ("(", "[", r"\{"), (")", "]", r"\}")
_WRAPPING = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"))
_CURRENCY = re.compile(r"([-+]?)\s*(?:\\?(\$)|([€£]))\s*")
_DEGREES = re.compile(r"\s*(?:\^\s*\\circ|\^\s*\{\s*\\circ\s*\}|°)\s*$")
_UNIT = re.compile(r"\s*\\(?:text|textrm|mathrm|mbox)\s*\{([^{}]*)\}\s*(?:\^\s*\{?([23])\}?)?\s*$")
# 12\pi cm^2: words of several letters that are known as units
_BARE_UNIT = re.compile(r"(?<=[^\s*/+-]) +([A-Za-z]{2,}(?:[ /][A-Za-z]{2,}){0,3})\s*(?:\^\s*\{?([23])\}?)?\s*$")
_PERCENT = re.compile(r"\s*\\?%\s*$")
# Something beside words: a gold answer without any of it is a word, not a product of its letters.
_MATHEMATICAL = re.compile(r"[0-9+*/^=\\<>]")


def read_text(text: str, letters: Collection[str] | None = None) -> Text:
    """The tokens of a text; words of several letters are products of `letters`, or prose. None: a gold answer's text.

    A gold answer is trusted: up to three letters in a row are a product where there is anything else to calculate with.
    """
    if len(text) > MAX_LENGTH:
        raise NotMath(f"it has {len(text)} characters, more than {MAX_LENGTH}")
    text = _unwrapped(in_latex(text))
    currency = _CURRENCY.match(text)
    unit = ""
    if currency:
        unit = unit_in(currency[2] or currency[3]) or ""
        text = currency[1] + text[currency.end() :]
    percent = _PERCENT.search(text)
    found = percent or _unit(text)
    if found:
        behind = "" if percent else _named(found)
        if behind is None or (unit and behind):
            raise NotMath("what stands behind it is no unit")
        unit = unit or behind
        text = text[: found.start()]
    return Text(_tokens(text, letters), percent is not None, unit)


def _unit(text: str) -> re.Match[str] | None:
    bare = _BARE_UNIT.search(text)
    known = frozenset(SAME.values())
    if bare is not None and not all(part.partition("^")[0] in known for part in re.split("[ /]", _named(bare) or "?")):
        bare = None
    return _DEGREES.search(text) or _UNIT.search(text) or bare


def _named(found: re.Match[str]) -> str | None:
    """The unit in one form; what has no words are degrees."""
    if found.re is _DEGREES:
        return unit_in("°")
    return unit_in(f" {found[1].strip(' ~')}{f'^{found[2]}' if found[2] else ''}")


def _unwrapped(text: str) -> str:
    """The text without one dollar, bracket or box around all of it."""
    text = text.strip().removesuffix(".").rstrip()
    for start, end in _WRAPPING:
        inner = text[len(start) : -len(end)]
        if text.startswith(start) and text.endswith(end) and inner and start not in inner and end not in inner:
            return _unwrapped(inner)
    box = re.match(r"\\(?:boxed|fbox)\s*\{", text)
    return _unwrapped(text[box.end() : -1]) if box and _closes_at_the_end(text, box.end()) else text


def _closes_at_the_end(text: str, start: int) -> bool:
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place == len(text) - 1
    return False


def _tokens(text: str, letters: Collection[str] | None) -> list[str]:
    tokens: list[str] = []
    place = depth = 0
    while place < len(text):
        # (1,234) is a pair, and 1,234 is a number.
        match = (None if depth else _THOUSANDS_HERE.match(text, place)) or _TOKEN.match(text, place)
        if match is None:
            raise NotMath("it has a sign that no expression has")
        place = match.end()
        if match.re is _THOUSANDS_HERE:
            tokens.append(match[0].replace("{,}", "").replace(",", ""))
            continue
        if match["command"] is not None:
            tokens += _command(match["command"])
        elif match["word"] is not None:
            tokens += _word(match["word"], letters, text)
        elif match["space"] is None:
            tokens.append({"**": "^", "<=": "≤", ">=": "≥"}.get(match[0], match[0]))
        if tokens and match["space"] is None:
            depth += (tokens[-1] in _OPENING) - (tokens[-1] in _CLOSING)
    return tokens


def _command(name: str) -> list[str]:
    if name in _SPACES:
        return []
    if name in _SAME:
        return [_SAME[name]]
    if name in _CONSTANTS:
        return [_CONSTANTS[name]]
    if name in _KEPT:
        return [f"\\{name}"]
    raise NotMath(f"\\{name} is none of the commands that are read")


def _word(word: str, letters: Collection[str] | None, text: str) -> list[str]:
    if len(word) == 1:
        return [word]
    if word in _CONSTANTS:
        return [_CONSTANTS[word]]
    if word in FUNCTIONS:
        return [f"\\{word}"]
    if all(letter in letters for letter in word) if letters is not None else _is_product(word, text):
        return list(word)
    raise NotMath("it has words")


def _is_product(word: str, text: str) -> bool:
    return len(word) <= 3 and _MATHEMATICAL.search(text) is not None
