"""What number do Chinese numerals write? 一百二十, 两万三千, 三点五, 百分之五十, 三分之一, 二〇二四, 3万, 1亿5千万."""

import re
from fractions import Fraction
from math import prod

_DIGITS = {char: value for value, chars in enumerate(
    ("零〇", "一壹", "二贰貳两兩", "三叁參", "四肆", "五伍", "六陆陸", "七柒", "八捌", "九玖")
) for char in chars}  # fmt: skip
# From the largest down.
_MYRIADS = {"亿": 10**8, "億": 10**8, "万": 10**4, "萬": 10**4}
_UNITS = {**_MYRIADS, "千": 1000, "仟": 1000, "百": 100, "佰": 100, "十": 10, "拾": 10}

NUMERALS = "".join([*_DIGITS, *_UNITS])
_WHOLE = f"[{NUMERALS}]{{1,40}}"
_DECIMALS = f"[点點][{''.join(_DIGITS)}]{{1,20}}"
_FIGURES = r"[0-9][0-9,]{0,30}(?:\.[0-9]{1,30})?"
_ANY = f"(?:{_WHOLE}(?:{_DECIMALS})?|{_FIGURES})"
# Figures right behind numerals are no part of them, and the 千 of 千克 is none.
_START = re.compile(
    f"(零下|[负負])?(?:百分之(?P<percent>{_ANY})|(?P<bottom>{_ANY})分之(?P<top>{_ANY})|(?P<plain>{_ANY}))(?![0-9.,])"
)
_UNIT = "[百千]?[万萬亿億]{1,2}|[百千](?![克米瓦卡帕焦伏赫分])"
_MIXED = re.compile(f"(?:{_FIGURES} ?(?:{_UNIT})){{1,4}}(?![0-9])")
_PIECE = re.compile(f"({_FIGURES}) ?({_UNIT})")


def in_figures(text: str) -> str:
    """The text with the numerals that it begins with in figures, `一百二十页` as `120页`, and with 3万 as 30000."""
    text = _MIXED.sub(_in_full, text, count=1)
    match = _START.match(text)
    if match is None:
        return text
    sign, percent, bottom, top, plain = match.groups()
    figures = f"{_figures(top)}/{_figures(bottom)}" if top else f"{_figures(percent or plain)}{'%' if percent else ''}"
    return text if "?" in figures else ("-" if sign else "") + figures + text[match.end() :]


def _in_full(match: re.Match[str]) -> str:
    """Figures with numerals behind them, the largest first: 1亿5千万 is 150000000."""
    units = [prod(_UNITS[char] for char in piece[2]) for piece in _PIECE.finditer(match[0])]
    if units != sorted(units, reverse=True) or len(set(units)) < len(units):
        return match[0]
    total = sum(Fraction(piece[1].replace(",", "")) * unit
                for piece, unit in zip(_PIECE.finditer(match[0]), units, strict=True))  # fmt: skip
    return str(total) if total.denominator == 1 else match[0] if total > 10**15 else str(float(total))


def _figures(numerals: str) -> str:
    """`?` where they write no number, such as 十百."""
    if numerals[0].isascii():
        return numerals
    whole, _, decimals = numerals.replace("點", "点").partition("点")
    value = _value(whole)
    if value is None:
        return "?"
    return f"{value}.{''.join(str(_DIGITS[char]) for char in decimals)}" if decimals else str(value)


def _value(numerals: str) -> int | None:
    """The number, or None where they write none."""
    if all(char in _DIGITS for char in numerals):  # read out figure by figure: 二〇二四
        return int("".join(str(_DIGITS[char]) for char in numerals))
    largest = max(_UNITS[char] for char in numerals if char in _UNITS)
    place = max(index for index, char in enumerate(numerals) if _UNITS.get(char) == largest)
    count, rest = _count(numerals[:place], largest), _rest(numerals[place + 1 :], largest)
    return None if count is None or rest is None else count * largest + rest


def _count(numerals: str, unit: int) -> int | None:
    """How often the unit is taken: 十 alone is once; 千, 百 and 十 are taken up to nine times."""
    if not numerals:
        return 1 if unit == 10 else None
    count = _value(numerals) if unit >= 10**4 else _DIGITS.get(numerals)
    return count or None


def _rest(numerals: str, unit: int) -> int | None:
    """What comes behind the unit. 三百五 is 350, and 三百零五 is 305."""
    if len(numerals) == 1 and numerals in _DIGITS and unit > 10:
        return _DIGITS[numerals] * unit // 10
    plain = numerals.lstrip("零〇")
    if not plain:
        return None if numerals else 0
    if len(plain) > 1 and all(char in _DIGITS for char in plain):  # 三百五六
        return None
    rest = _value(plain)
    return rest if rest is not None and rest < unit else None
