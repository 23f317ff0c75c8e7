"""What does an answer say below its LaTeX, its Markdown and its full-width letters?"""

import re

# The full-width forms of ASCII, other signs for minus and space, and LaTeX's and Markdown's dressing.
_TO_ASCII: dict[int, int | str] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}, 0x3000: " ", 0x2212: "-", 0x2044: "/",
    0xA0: "\u2009", 0x202F: "\u2009", ord("￥"): "¥", ord("＄"): "$", ord("。"): ".",
}  # fmt: skip
_HALVES = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8"}
_WRAPPED = re.compile(
    r"\\boxed ?\{(.*)\}|\\\((.*)\\\)|\\\[(.*)\\\]|\$\$(.+)\$\$|\$([^$]+)\$|\*\*(.+)\*\*|`(.+)`", re.DOTALL
)
_WORDS_IN_LATEX = re.compile(r"\\(?:text|mathrm|mbox|textbf|mathbf) ?\{([^{}]*)\}")
_FRACTION = re.compile(r" ?\\[dt]?frac ?\{([^{}]*)\} ?\{([^{}]*)\}")
_SPELLED = (
    (r"\$", "$"), (r"\%", "%"), ("{,}", ","), (r"\!", ""), (r"\,", "\u2009"), (r"\;", " "), ("\\ ", " "),
    (r"\times", "×"), (r"\cdot", "×"), (r"^\circ", "°"), (r"^{\circ}", "°"),
)  # fmt: skip
_THIN_SPACE = re.compile("(?<=[0-9])\u2009(?=[0-9]{3})")
_BRACED_POWER = re.compile(r"\^\{(-?[0-9]{1,3})\}")


def undressed(text: str) -> str:
    """The text without what dresses it, in ASCII where it can be."""
    text = text.translate(_TO_ASCII).strip()
    while match := _WRAPPED.fullmatch(text):
        text = next(inner for inner in match.groups() if inner is not None).strip()
    if "\\" in text or "{" in text:
        text = _FRACTION.sub(r" \1/\2", _WORDS_IN_LATEX.sub(r" \1", text))
        for spelled, plain in _SPELLED:
            text = text.replace(spelled, plain)
        text = _BRACED_POWER.sub(r"^\1", text).strip()
    for sign, spelled in _HALVES.items():
        if sign in text:
            text = text.replace(sign, f" {spelled}").strip()
    text = " ".join(_THIN_SPACE.sub(",", text).replace("\u2009", " ").split())
    return text.rstrip(".").rstrip()
