"""Numbers are read as people write them, and only where a text says one."""

import pytest

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
18。""".replace("\\\\", "\\").split("\n")


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
    ["not 18", "about 18", "~18", "≈18", "> 18", "18 maybe", "18 is wrong", "18 or so", "18?", "18!", "(18)", "18 - 1",
     "18+", "18x", "18 x", "18i", "18 pi", "18 and a half", "18 a", "我不確定，可能是 10 頁？", "不是18", "18左右",
     "10多", "十百",
     "三百五六", "a lot", "", " ", "--1", "1 2", "1,23", "1/0", "1e400", "1e999999", "nan", "inf", "Infinity",
     "١٨", "१८",
     "9" * 5000, "(" * 10_000 + "18", "18" + ")" * 10_000, "18 " + "m" * 200, "\0" "18"],
)  # fmt: skip
def test_prose_and_what_is_no_number_are_none(text: str) -> None:
    assert read_number(text) is None


def same(said: str, gold: str) -> bool:
    one, other = read_number(said), read_number(gold)
    assert one is not None and other is not None
    return equal(one, other)


def test_a_percentage_is_its_number_or_its_hundredth_of_a_gold_below_one() -> None:
    assert same("50%", "50") and same("50 percent", "50%") and same("百分之五十", "50")
    assert same("50%", "0.5") and same("50%", "1/2") and same("0.5", "50%") and same("50", "50%")
    assert not same("1800%", "18") and not same("5000%", "50%") and not same("0.5%", "50")


def test_units_and_names_agree_where_both_are_given() -> None:
    assert same("18 dollars", "$18") and same("18 apples", "18 apple") and same("18元", "¥18") and same("x = 4", "4")
    assert not same("18 cents", "18 dollars") and not same("18 m", "18 km") and not same("x = 4", "y = 4")


def test_near_is_not_equal() -> None:
    assert not same("18.0001", "18") and not same("18.000001", "18")
    assert not same("10000000001", "10000000000")  # they differ by less than float noise of 1e-9
    assert not same("9007199254740993", "9007199254740992")  # 2**53 + 1, which no float holds
    assert same("0.1", "1/10") and same("0.333333333333", "1/3")


def test_the_distance_is_a_share_of_the_gold_number() -> None:
    assert distance(Number(110), Number(100)) == pytest.approx(0.1)
    assert distance(Number(1), Number(0)) == float("inf")
    assert distance(Number(18), Number(18.0)) == 0.0
    assert distance(Number(100, unit="cent"), Number(100, unit="dollar")) == float("inf")
