"""Are the words behind a number its unit, and which one?"""

import re

from grpoctl.rewards.chinese import NUMERALS

CURRENCY = r"(?:(?:US|NT|HK|A|C|S)?\$|[€£¥₹₩]|(?:USD|EUR|GBP|CNY|RMB|TWD|JPY) ?)"
_CURRENCIES = {"$": "dollar", "US$": "dollar", "USD": "dollar", "€": "euro", "EUR": "euro", "£": "pound",
               "GBP": "pound", "¥": "元", "CNY": "元", "RMB": "元", "NT$": "元", "TWD": "元"}  # fmt: skip
_WORD = r"[A-Za-z]+(?:[-'][A-Za-z]+)*\.?"
_LATIN_UNIT = re.compile(
    rf"(?:(?P<joined>[A-Za-z]+)| {_WORD}(?:(?: | ?/ ?){_WORD}){{0,4}})(?:/[A-Za-z]{{1,12}})?\^?(?P<power>[23²³])?"
)
_HAN_UNIT = re.compile(r" ?[\u4e00-\u9fff]{1,8}(?: ?/ ?[\u4e00-\u9fff]{1,4})?")
# What may stand right behind a figure; `18x` is algebra, and so is `18 x`.
_JOINED_WORDS = """
    m g s h l in ft yd mi km cm mm kg mg lb lbs oz ml hr hrs min mins sec mph kph kmh am pm st nd rd th kw kwh usd eur
    gbp rmb cents yr yrs pages people years days hours minutes dollars
"""
_JOINED = frozenset(_JOINED_WORDS.split())
# Words that make what follows a number prose in place of a unit.
_PROSE_WORDS = """
    or and not no nor is isn isnt isn't are was were be if but to than then maybe perhaps probably possibly about
    around approximately approx roughly nearly almost ish something unsure guess uncertain think thinks sure wrong
    right correct incorrect false true plus minus times divided by from with without out except instead so since
    because i we you it he she they this that which what answer answers result equals equal
    pi sqrt sin cos tan log ln exp factorial squared cubed point half quarter third thirds quarters halves dozen
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion
    thousandth thousandths hundredth hundredths tenth tenths zero mod choose over under
"""
_PROSE = frozenset(_PROSE_WORDS.split())
_PROSE_IN_HAN = frozenset("或和与與不是非到至可能约約左右吗嗎呢多餘余幾几半答案错錯对對")


def unit_in(text: str) -> str | None:
    """The unit in one form, nothing where there is none, None where these words are no unit."""
    if not text.strip():
        return ""
    if _HAN_UNIT.fullmatch(text):
        return text.strip() if not (_PROSE_IN_HAN | set(NUMERALS)) & set(text) else None
    symbol = text.strip()
    if symbol in _CURRENCIES or symbol in ("°", "°C", "°F", "°K"):
        return _CURRENCIES.get(symbol, symbol)
    match = _LATIN_UNIT.fullmatch(text)
    if match is None:
        return None
    joined = match["joined"]
    words = re.findall(r"[a-z][a-z'-]*", symbol.lower())
    if joined is not None and joined.lower() not in _JOINED:
        return None
    if any(word in _PROSE or (len(word) == 1 and word not in _JOINED and word != "a") for word in words):
        return None
    if words[-1] == "a":
        return None
    return " ".join(word.removesuffix("s") if len(word) > 2 else word for word in words) + (match["power"] or "")
