"""Are the words behind a number its unit, and which one?"""

import re

from grpoctl.rewards.chinese import NUMERALS
from grpoctl.rewards.unit_words import JOINED, MONEY, NEVER_LAST, NUMBER_WORDS, PROSE, SAME, SHORT, SIMPLIFIED

CURRENCY = r"(?:(?:US|NT|HK|A|C|S)?\$|[€£¥₹₩]|(?:USD|EUR|GBP|CNY|RMB|TWD|JPY) ?)"
_CURRENCIES = {"$": "dollar", "US$": "dollar", "USD": "dollar", "€": "euro", "EUR": "euro", "£": "lb",
               "GBP": "lb", "¥": "元", "CNY": "元", "RMB": "元", "NT$": "元", "TWD": "元", "¢": "cent"}  # fmt: skip
_WORD = r"[A-Za-z]+(?:[-'][A-Za-z]+)*(?:\^?[23²³])?\.?"
_LATIN_UNIT = re.compile(
    rf"(?:(?P<joined>[A-Za-z]+)(?:\^?[23²³])?| {_WORD}| ?/ ?[A-Za-z]{{2,}}|-[A-Za-z]{{2,}}(?:-[A-Za-z]+)*)"
    rf"(?:(?: ?/ ?|(?<=per) | (?=an? |[A-Za-z]{{2}})){_WORD}){{0,5}}"
)
_TOKEN = re.compile(r"/|[A-Za-z][A-Za-z'-]*(?:\^?[23²³])?")
_MILLIONS = re.compile("m (?!per |an? |each )")  # 18m people are no 18 metres
_POWERS = {"²": "^2", "³": "^3"}
_DEGREES = re.compile(r"(?: ?[°º]| degrees?) ?(C|F|K|Celsius|Fahrenheit)\.?")
# What says no more about the unit than that it is one.
_FILLING = re.compile(
    r" (?:in (?:total|all)|total|altogether|each(?! )|more|left|remaining|extra|(?:US|of)(?= ))(?![\w-])"
)
_HAN_UNIT = re.compile(r" ?[\u4e00-\u9fff]{1,8}(?: ?/ ?[\u4e00-\u9fff]{1,4})?")
# 千 and 百 are numerals but in these; 平方 squares the number but in front of a length.
_LENGTH = "[千厘分毫微]?米|公里|公分|公尺|英[尺寸里]|尺|寸|码"
_KILO = re.compile("千[克米瓦卡帕焦伏赫]|百分点")
_PROSE_IN_HAN = re.compile(
    "[或和与负不是非到至约吗呢多余几半对错减兆打吧么嘛呀否没]|可能|左右|答案|大概|估计|好像|才怪|无解|[未不]满|乘(?![客务])|^除|^的"
    f"|以[上下内外]|上下|开外|之间|加(?![仑元])|[加翻]倍|次方|[平立]方(?!{_LENGTH})|分之|[成折等起京廿]$"
)


def unit_in(text: str) -> str | None:
    """The unit in one form, nothing where there is none, None where these words are no unit."""
    symbol = text.strip()
    if not symbol:
        return ""
    if symbol in _CURRENCIES or (symbol in SAME and not symbol[0].isalnum()):
        return _CURRENCIES.get(symbol) or SAME[symbol]
    degrees = _DEGREES.fullmatch(text)
    if degrees is not None:
        return f"°{degrees[1][0]}"
    return _han(text.translate(SIMPLIFIED)) if _HAN_UNIT.fullmatch(text) else _latin(text)


def agree(one: str, other: str) -> bool:
    """Whether two units may be meant for one: they are the same, or one of them says less."""
    if not (one and other) or one == other:
        return True
    (base, _, rate), (other_base, _, other_rate) = one.partition("/"), other.partition("/")
    if rate == other_rate:
        return not (base and other_base) or base == other_base
    return not (rate and other_rate) and base == other_base and base in MONEY


def singular(word: str) -> str:
    """The word without its plural's ending."""
    if len(word) < 3 or word.endswith("ss"):
        return word
    if re.search(r"(?:x|ch|sh|ss|z)es$", word):
        return word[:-2]
    return word[:-3] + "y" if word.endswith("ies") else word.removesuffix("s")


def _han(text: str) -> str | None:
    bare = _KILO.sub("", text)
    if _PROSE_IN_HAN.search(bare.strip()) or set(NUMERALS) & set(bare):
        return None
    return "/".join(_one_in_han(part.strip()) for part in re.split("[/每]", text))


def _one_in_han(unit: str) -> str:
    power = {"平方": "^2", "立方": "^3"}.get(unit[:2], "")
    unit = unit[2:] if power else unit
    return (SAME.get(unit) or SAME.get(unit.removeprefix("个")) or unit) + power


def _latin(text: str) -> str | None:
    text = re.sub(r"^ \(([A-Za-z /]+)\)$", r" \1", text.replace("(s)", "s"))
    match = _LATIN_UNIT.fullmatch(text)
    if match is None or _MILLIONS.match(text) or (match["joined"] and _known(match["joined"]) not in JOINED):
        return None
    if any(_is_prose(word) for word in _TOKEN.findall(text)[match["joined"] is not None :]):
        return None
    words = _TOKEN.findall(_FILLING.sub("", text))
    if words and words[-1].lower() in NEVER_LAST:
        return None
    return _canonical(words)


def _known(word: str) -> str:
    """In small letters, where these are no other unit."""
    return word if len(word) == 1 else word.lower()


def _is_prose(word: str) -> bool:
    bare = word.rstrip("^23²³")
    lower = bare.lower()
    known = SAME.get(singular(lower))
    if bare != word and (known in MONEY or (known is None and _known(bare) not in JOINED)):
        return True
    if bare != "/" and len(bare) < 3 and _known(bare) not in SHORT:
        return True
    parts = lower.split("-")
    return any(part in PROSE for part in parts) or singular(parts[-1]) in NUMBER_WORDS


def _canonical(words: list[str]) -> str:
    """Singular, per and a as /, and square as a power: `square feet per day` as `foot^2/day`."""
    made = ""
    power = ""
    for word in words:
        lower = _known(word)
        if lower in ("per", "a", "an", "every", "each", "/"):
            made = made.rstrip() + "/"
        elif lower in ("square", "sq", "cubic", "cu"):
            power = "^2" if lower[0] == "s" else "^3"
        elif lower in ("mph", "kph", "kmh", "kmph"):
            made += "mile/hour" if lower == "mph" else "km/hour"
        else:
            bare = lower.rstrip("^23²³")
            end = lower[len(bare) :]
            one = singular(bare)
            made += ("" if made.endswith("/") or not made else " ") + SAME.get(one, one)
            made += _POWERS.get(end, "^" + end.lstrip("^") if end else power)
            power = ""
    return made
