"""How does LaTeX write what an answer writes with other signs: √10, x⁴, θ, $1$, $2$, 0.\\overline{3}?"""

import re

_GREEK = "alpha beta gamma delta epsilon theta lambda mu rho sigma tau phi psi omega"
_TO_LATEX = str.maketrans({
    "−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/", "π": r"\pi ", "∞": r"\infty ", "√": r"\sqrt ",
    "½": r"\frac{1}{2}", "\u00a0": " ", "\u2009": " ", "\u3000": " ", "，": ",", "；": ";", "（": "(", "）": ")",
    **{letter: f"\\{name} " for letter, name in zip("αβγδεθλμρστφψω", _GREEK.split(), strict=True)},
})  # fmt: skip
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,9}")
_LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
# To LaTeX, \sqrt 10 is the root of 1, and a 0; nobody means that.
_ROOT = re.compile(r"\\?sqrt ?([0-9]+(?:\.[0-9]+)?)(?![0-9])", re.ASCII)
_REPEATING = re.compile(
    r"(?<![0-9])([0-9]{0,20})\.([0-9]{0,20})\\(?:overline|bar) ?(?:\{([0-9]{1,20})\}|([0-9]))(?![0-9])", re.ASCII
)
_BARE_SET = re.compile(r"\s*\{([^{}]*,[^{}]*)\}\s*")
_IN_DOLLARS = re.compile(r"(?<!\\)\$((?:[^$\\]|\\[^$])+)\$")
_COORDINATES = re.compile(r"\s*\( ?x ?, ?y ?(?:, ?z ?)?\) ?= ?(?=\()")


def in_latex(text: str) -> str:
    """The text in LaTeX's commands, with dollars around all of it at most."""
    text = text.translate(_TO_LATEX)
    text = _RAISED.sub(lambda match: f"^{{{match[0].translate(_LOWERED)}}}", text)
    text = _REPEATING.sub(_as_fraction, _ROOT.sub(r"\\sqrt{\1}", text))
    text = _IN_DOLLARS.sub(r" \1 ", text) if text.count("$") > 2 else text
    return _BARE_SET.sub(r"\\{\1\\}", text) if _BARE_SET.fullmatch(text) else _COORDINATES.sub("", text, count=1)


def _as_fraction(match: re.Match[str]) -> str:
    """0.1\\overline{6} is (16 - 1)/90."""
    once, again = match[1] + match[2], match[3] or match[4]
    top = int(once + again) - int(once or "0")
    return f"(\\frac{{{top}}}{{{'9' * len(again) + '0' * len(match[2])}}})"
