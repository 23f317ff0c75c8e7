"""What does an answer say below its LaTeX, its Markdown and its full-width letters?"""

import re

# The full-width forms of ASCII, other signs for minus and space, and LaTeX's and Markdown's dressing.
_TO_ASCII: dict[int, int | str] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}, 0x3000: " ", 0x2044: "/",
    **dict.fromkeys((0x2212, 0x2013, 0x2011, 0xFE63), "-"), 0xA0: "\u2009", 0x202F: "\u2009", ord("￥"): "¥",
    ord("。"): ".", ord("·"): "×", ord("⋅"): "×",
}  # fmt: skip
_DOLLAR = "＄"  # one that is money, until those around formulas are gone
_TO_ASCII[ord(_DOLLAR)] = _DOLLAR
_HALVES = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8"}
# Figures right behind a fraction are no part of its bottom.
_ALONE = r"(?! ?[.,]?[0-9])"
_HALF = re.compile(f"([{''.join(_HALVES)}]){_ALONE}")
_PART = r"(?:\{ ?([^{} ]+) ?\}|([0-9]))"
_FRACTION = re.compile(rf" ?\\[dtc]?frac ?{_PART} ?{_PART}{_ALONE}")
_WORDS_IN_LATEX = re.compile(r"\\(?:text|textrm|textit|textbf|mathrm|mathbf|mbox|operatorname) ?\{([^{}]*)\}")
_TIE = re.compile(r"(?<=[0-9])~(?=\\)|(?<=\{)~(?=[A-Za-z])")
# Dressing becomes a space, so that nothing grows together.
_WRAPPED = re.compile(
    r"\\(?:boxed|fbox|underline) ?\{([^{}]+)\}|\\\(((?:(?!\\\)).)*)\\\)|\\\[((?:(?!\\\]).)*)\\\]"
    r"|\$\$([^$]+)\$\$|\$([^$]+)\$|\*\*\*([^*]+)\*\*\*|\*\*([^*]+)\*\*|\*([^*]+)\*|__([^_]+)__|`{1,3}([^`]+)`{1,3}",
    re.DOTALL,
)
_AROUND = re.compile(r"\{([^{}]+)\}|\(([^(),]+)\)|\"([^\"]+)\"|'([^']+)'|“([^”]+)”", re.DOTALL)
_SPELLED = (
    (r"\%", "%"), ("{,}", ","), (r"\!", ""), (r"\,", "\u2009"), (r"\;", " "), ("\\ ", " "), (r"\quad", " "),
    (r"\left(", "("), (r"\right)", ")"), (r"\displaystyle", ""), (r"\times", "×"), (r"\cdot", "×"),
    (r"^\circ", "°"), (r"^{\circ}", "°"),
)  # fmt: skip
_THIN_SPACE = re.compile("(?<=[0-9])\u2009(?=[0-9]{3})")
_BRACED_POWER = re.compile(r"\^ ?\{ ?(-?[0-9]{1,3}) ?\}")
_RAISED = re.compile("(?<=10)[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4}")
_LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def undressed(text: str) -> str:
    """The text without what dresses it, in ASCII where it can be."""
    text = text.translate(_TO_ASCII).strip()
    if "\\" in text or "{" in text:
        text = _without_latex(text)
    for _ in range(4):  # a box in bold in a formula
        text, count = _WRAPPED.subn(_inner, text)
        around = _AROUND.fullmatch(text := text.strip())
        text = _inner(around).strip() if around else text
        if not (count or around):
            break
    text = _RAISED.sub(lambda match: "^" + match[0].translate(_LOWERED), text)
    text = _HALF.sub(lambda match: f" {_HALVES[match[1]]}", text)
    text = " ".join(_THIN_SPACE.sub(",", text).replace("\u2009", " ").replace(_DOLLAR, "$").split())
    return text.rstrip(". ")


def _without_latex(text: str) -> str:
    text = _TIE.sub(" ", text.replace(r"\$", _DOLLAR))
    text = _WORDS_IN_LATEX.sub(r" \1", text)
    for spelled, plain in _SPELLED:
        text = text.replace(spelled, plain)
    text = _BRACED_POWER.sub(r"^\1", text)
    return _FRACTION.sub(lambda match: f" {match[1] or match[2]}/{match[3] or match[4]}", text)


def _inner(match: re.Match[str]) -> str:
    return f" {next(inner for inner in match.groups() if inner is not None)} "
