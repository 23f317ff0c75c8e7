"""Numbers are read as people write them, and only where a text says one."""

import pytest

from grpoctl.rewards.anywhere import answer_anywhere
from grpoctl.rewards.numbers import Number, distance, equal, read_number

EIGHTEEN = """18
 18 
18.
18.00
+18
1.8e1
36/2
$18
$ 18
18$
US$18
€18
18 €
18 dollars
18 dollars.
18 USD
18 cm
18cm
18 cm²
18 km/h
18 miles per hour
18 square feet
18 hours a day
18°C
18 more apples
18th
**18**
`18`
\\boxed{18}
\\boxed{\\text{18 apples}}
$18$
\\(18\\)
\\$18
18 \\text{ cm}
\\frac{36}{2}
１８
＄１８．０
十八
十八頁
18 頁
18頁/週
18 个苹果
18。
(18)
{18}
"18"
= 18
***18***
*18*
__18__
**18** dollars
**18**。
`18`.
$18$ dollars
$\\$18$
\\(18\\) cm
\\boxed{18}.
\\boxed{18} dollars
$\\boxed{18}$.
x = \\boxed{18}
x = **18**
\\left(18\\right)
\\displaystyle 18
18 \\mathrm{~cm}
18~\\text{cm}
18^\\circ C
18^{\\circ}\\text{C}
18℃
18¢
18GB
18 W
18-inch
18/day
$18/day
$18 in total
18 six-packs
18 double rooms
18名乘客
18架无人机
18像素
18罐可乐
18个方案
18 dollar(s)
18 (dollars)
18千克
18千米
18百分点
18個小時""".replace("\\\\", "\\").split("\n")


@pytest.mark.parametrize("text", EIGHTEEN)
def test_eighteen_as_people_write_it(text: str) -> None:
    number = read_number(text)
    assert number is not None and number.value == 18
    assert equal(number, Number(18)) and equal(Number(18), number)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$1,800", 1800), ("1,800.50", 1800.5), ("1\u202f800", 1800), ("1,00,000", 100_000), ("-5", -5), ("−5", -5),
        ("-$5", -5), ("$-5", -5), ("1/2", 0.5), ("-1/2", -0.5), ("½", 0.5), ("2½", 2.5), ("2 1/2", 2.5), (".5", 0.5),
        (r"\frac{1}{2}", 0.5), (r"2\frac{1}{2}", 2.5), (r"1{,}800", 1800), (r"1.8 \times 10^{3}", 1800),
        ("$1.5 million", 1_500_000),
        ("3k", 3000), ("3 thousand", 3000), ("3万", 30_000), ("1.5億", 150_000_000), ("9" * 100, int("9" * 100)),
        ("一百二十", 120), ("一百二十頁", 120), ("十二", 12), ("二十", 20), ("三百五", 350), ("三百零五", 305),
        ("两万三千", 23_000),
        ("三点五", 3.5), ("負三點五", -3.5), ("三分之一", 1 / 3), ("二〇二四", 2024), ("一万亿", 10**12),
        ("壹佰贰拾", 120),
        ("3千万", 30_000_000), ("3百万", 3_000_000), ("5千万元", 50_000_000), ("1亿5千万", 150_000_000),
        ("2万5千", 25_000), ("0.18 万元", 1800), ("百分之50", 50), ("负3", -3), ("零下3度", -3), ("3分之1", 1 / 3),
        (r"\frac12", 0.5), (r"\frac 12", 0.5), (r"1\frac12", 1.5), ("1.8*10^3", 1800), ("1.8 × 10³", 1800),
        ("1.8 · 10^3", 1800), ("–3", -3), ("minus 3", -3), ("1.8 k", 1800), ("$18 bn", 18 * 10**9),
        ("18 lakh", 1_800_000), ("1.1 million", 1_100_000),
    ],
)  # fmt: skip
def test_other_numbers(text: str, value: float) -> None:
    number = read_number(text)
    assert number is not None and number.value == value


@pytest.mark.parametrize(
    "text",
    ["17 or 18", "18 or 17", "17 18", "18, 19", "18-20", "17/18/19", "x = 17 = 18", "18 = 18", "18 dollars and 5 cents",
     "18 out of twenty", "5:30", "一百或二百", "18或17", "１７或１８", "18\n17"],
)  # fmt: skip
def test_several_numbers_are_none(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize(
    "text",
    ["not 18", "about 18", "~18", "≈18", "> 18", "18 maybe", "18 is wrong", "18 or so", "18?", "18!", "18;", "18 - 1",
     "18+", "18x", "18 x", "18i", "18 pi", "18 and a half", "18 a", "我不確定，可能是 10 頁？", "不是18", "18左右",
     "10多", "十百",
     "三百五六", "a lot", "", " ", "--1", "1 2", "1,23", "1/0", "1e400", "1e999999", "nan", "inf", "Infinity",
     "١٨", "१८",
     "9" * 5000, "(" * 10_000 + "18", "18" + ")" * 10_000, "18 " + "m" * 200, "\0" "18"],
)  # fmt: skip
def test_prose_and_what_is_no_number_are_none(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize(
    "text",
    [r"\frac{1}{2}5", r"\frac{36}{1}8", r"\frac{2}{1}00", r"\frac123", r"\frac{36}{}2", "½5", "½0", "½.5",
     "一8", "十8", "一百2", "三百5", "二0", "一百,000", "1十8", "百18", "**1**8", r"\boxed{1}8", r"\boxed{}18"],
)  # fmt: skip
def test_what_stands_side_by_side_does_not_grow_together(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize(
    "unit",
    ["dozens", "scores", "twelves", "fives", "twenty-one", "one-half", "three-quarters", "fourths", "twentieths",
     "halved", "double", "doubled", "twice", "tens of dollars", "megadollars", "per mille", "basis points",
     "never", "don't know", "hardly", "unlikely", "at least", "at most", "minimum", "negative", "in debt", "wait",
     "likely", "xy", "ab", "theta", "m s", "nd", "dollars^2",
     "兆", "打鸡蛋", "成", "折", "以上", "以内", "未满", "大概", "估计", "好像", "没有", "无解", "才怪", "平方",
     "加倍"],
)  # fmt: skip
def test_numbers_doubts_and_algebra_are_no_units(unit: str) -> None:
    assert read_number(f"18 {unit}") is None


@pytest.mark.parametrize(
    "text", ["$18m", "$ 18 m", "£18m", "18 M", "18 mn", "18 bn", "18 crore", "18m people", "$18m dollars"]
)
def test_millions_are_not_read_as_metres(text: str) -> None:
    number = read_number(text)
    assert number is None or number.value >= 18_000


@pytest.mark.parametrize("text", ["1 x 10^309", r"1 \times 10^{400}", "一" + "亿" * 39, "1e-999", "9" * 119 + "e999"])
def test_what_no_float_holds_is_no_number(text: str) -> None:
    assert read_number(text) is None


def same(said: str, gold: str) -> bool:
    one, other = read_number(said), read_number(gold)
    assert one is not None and other is not None
    return equal(one, other)


def test_a_percentage_is_its_number_or_its_hundredth_of_a_gold_below_one() -> None:
    assert same("50%", "50") and same("50 percent", "50%") and same("百分之五十", "50")
    assert same("50%", "0.5") and same("50%", "1/2") and same("0.5", "50%") and same("50", "50%")
    assert not same("0.5%", "0.5") and not same(r"\frac{1}{2}\%", r"\frac{1}{2}")
    assert not same("1800%", "18") and not same("5000%", "50%") and not same("0.5%", "50")


def test_units_and_names_agree_where_both_are_given() -> None:
    assert same("18 dollars", "$18") and same("18 apples", "18 apple") and same("18元", "¥18") and same("x = 4", "4")
    assert not same("18 cents", "18 dollars") and not same("18 m", "18 km") and not same("x = 4", "y = 4")


@pytest.mark.parametrize(
    ("one", "other"),
    [("90°", "90 degrees"), ("90°", "90度"), ("18 inches", "18 in"), ("18 hours", "18 hr"), ("18 minutes", "18 min"),
     ("18 feet", "18 foot"), ("18 feet", "18 ft"), ("18 cm", "18 centimeters"), ("18 cm^2", "18 cm²"),
     ("18 cm^2", "18 square cm"), ("18 cm^2", "18 sq cm"), ("18 cm²", "18平方厘米"), ("18 km/h", "18 kph"),
     ("18 km/h", "18 kilometers per hour"), ("18 mph", "18 miles per hour"), ("18 pounds", "18 lbs"),
     ("18 boxes", "18 box"), ("18 pages a day", "18 pages per day"), ("18元", "18块"), ("18元", "18塊"),
     ("18元", "18 yuan"), ("18页", "18頁"), ("18个", "18個"), ("18小时", "18個小時"), ("18°C", "18 degrees Celsius"),
     ("$18", "$18 per hour"), ("$18", "$18 total"), ("$18", "$18 each"), ("$18", "18 US dollars")],
)  # fmt: skip
def test_one_unit_is_written_in_many_ways(one: str, other: str) -> None:
    assert same(one, other) and same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("18 km", "18 km/h"), ("18 cm", "18 cm^2"), ("18 hours", "18 minutes"), ("$18", "¥18"), ("18元", "18美元"),
     ("$18 per hour", "$18 per day"), ("18°C", "18°F")],
)  # fmt: skip
def test_other_units_are_told_apart(one: str, other: str) -> None:
    assert not same(one, other) and not same(other, one)


def test_near_is_not_equal() -> None:
    assert not same("18.000000001", "18") and not same("17.99999999999", "18")
    assert not same("1e-13", "0") and not same("1e-200", "0") and not same("0.0000000000001", "0")
    assert not same("18.0001", "18") and not same("18.000001", "18")
    assert not same("10000000001", "10000000000")  # they differ by less than float noise of 1e-9
    assert not same("9007199254740993", "9007199254740992")  # 2**53 + 1, which no float holds
    assert same("0.1", "1/10") and same("0.333333333333", "1/3")


def test_the_distance_is_a_share_of_the_gold_number() -> None:
    assert distance(Number(110), Number(100)) == pytest.approx(0.1)
    assert distance(Number(1), Number(0)) == float("inf")
    assert distance(Number(18), Number(18.0)) == 0.0
    assert distance(Number(100, unit="cent"), Number(100, unit="dollar")) == float("inf")


def test_the_last_number_of_a_completion_keeps_its_minus() -> None:
    assert [answer_anywhere(text, "answer") for text in ("so -3", "so −3")] == ["-3", "−3"]
