"""The four rewards of the TPU document, its worked examples first."""

import pytest

from grpoctl.rewards.graded import check_answer, check_numbers, match_format_approximately, match_format_exactly

BEFORE = "<reasoning>讓我想想...</reasoning>\n<answer>我不確定，可能是 10 頁？</answer>"
AFTER = (
    "<reasoning>\n- 每封信 3 頁\n- 2 個朋友，所以每次 3 × 2 = 6 頁\n- 每週兩次，所以 6 × 2 = 12 頁/週\n</reasoning>\n"
    "<answer>12</answer>"
)


def test_the_documents_examples_earn_2_and_6() -> None:
    both = [BEFORE, AFTER]
    form, answer = match_format_exactly(both), check_answer(both, ["12", "12"])
    assert form == [3.0, 3.0]
    assert answer == [-1.0, 3.0]
    assert [a + b for a, b in zip(form, answer, strict=True)] == [2.0, 6.0]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("100", 3.0), ("100.0", 3.0), ("$100", 3.0),
        ("110", 0.5), ("90", 0.5),  # 10% off, the edge included
        ("120", 0.25), ("80", 0.25),
        ("121", -1.0), ("-100", -1.0), ("17 or 100", -1.0), ("not 100", -1.0), ("", -1.0),
        ("100.01", 0.5),  # near, and less than the maximum
    ],
)  # fmt: skip
def test_check_answer_pays_by_distance(said: str, expected: float) -> None:
    assert check_answer([f"<answer>{said}</answer>"], ["100"]) == [expected]


def test_check_answer_without_a_tag_or_a_number_to_compare_with() -> None:
    assert check_answer(["100"], ["100"]) == [-1.0]
    assert check_answer(["<answer>x = 4</answer>"], ["x = 4"]) == [3.0]
    assert check_answer(["<answer>1</answer>"], ["0"]) == [-1.0]
    # As floats both are a little more than 10% off.
    assert check_answer(["<answer>1.1</answer>", "<answer>0.33</answer>"], ["1", "0.3"]) == [0.5, 0.5]
    assert check_answer(["<answer>0.0</answer>"], ["0"]) == [3.0]


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("<reasoning>a</reasoning><answer>1</answer>", 3.0),
        ("  <reasoning>a</reasoning>\n\n<answer>1</answer>\n", 3.0),
        ("so <reasoning>a</reasoning><answer>1</answer>", 0.0),
        ("<reasoning>a</reasoning><answer>1</answer> done", 0.0),
        ("<answer>1</answer><reasoning>a</reasoning>", 0.0),
        ("<reasoning>a</reasoning><answer>1</answer><answer>2</answer>", 0.0),
        ("<reasoning></reasoning><answer></answer>", 0.0),
        ("<reasoning>a</reasoning><answer> </answer>", 0.0),
        ("<reasoning>a</reasoning> so <answer>1</answer>", 0.0),
        ("<reasoning>a<answer>1</reasoning></answer>", 0.0),
        ("", 0.0),
    ],
)
def test_match_format_exactly_wants_the_whole_form(completion: str, expected: float) -> None:
    assert match_format_exactly([completion]) == [expected]


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("<reasoning>a</reasoning><answer>1</answer>", 2.0),  # four tags, 0.5 each
        ("<reasoning>a</reasoning>", 0.0),  # 2 x 0.5 - 2 x 0.5
        ("<answer>1</answer><answer>2</answer>", -2.0),
        ("", -2.0),
    ],
)
def test_match_format_approximately_counts_tags(completion: str, expected: float) -> None:
    assert match_format_approximately([completion]) == [expected]


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("<answer>12</answer>", 1.5),
        ("<answer>about 12 pages</answer>", 1.5),
        ("<answer>$1,200.50", 0.0),
        ("<answer>13, or 12</answer>", 0.0),
        ("12", 0.0),
        ("<answer>none</answer>", 0.0),
    ],
)
def test_check_numbers_takes_the_first_number_behind_the_tag(completion: str, expected: float) -> None:
    assert check_numbers([completion], ["12"]) == [expected]


def test_check_numbers_reads_separators() -> None:
    assert check_numbers(["<answer>it costs $1,200.50."], ["1200.5"]) == [1.5]


@pytest.mark.parametrize(
    ("said", "gold"),
    [
        (".5", "5"), ("−3", "3"), ("-$3", "3"), ("1/2", "1"), ("1.8e1", "1.8"), ("1.5 million", "1.5"),
        ("18 million", "18"), ("18k", "18"), ("18x", "18"), ("18 x", "18"), ("18/20", "18"), ("18^2", "18"),
        ("18²", "18"), ("18 squared", "18"), ("18 dozen", "18"), ("$18m", "18"), ("18打", "18"), ("18-20", "18"),
        ("18π", "18"), (r"18\\pi", "18"), ("18(2)", "18"), ("18h30", "18"), ("18 to 20", "18"), ("18 and a half", "18"),
        ("not 18", "18"), ("it is not equal to 18", "18"), ("不是18", "18"), ("<18", "18"), ("more than 18", "18"),
        ("none</answer> it is 18", "18"), ("18" + "0" * 31, "18" + "0" * 29),
    ],
)  # fmt: skip
def test_check_numbers_pays_for_no_other_number(said: str, gold: str) -> None:
    assert check_numbers([f"<answer>{said}</answer>"], [gold]) == [0.0]


@pytest.mark.parametrize(
    ("said", "gold"),
    [
        ("1/2", "0.5"), (r"\frac{1}{2}", "0.5"), ("50%", "0.5"), (".5", "0.5"), ("2 1/2", "2.5"), ("one of .5", "0.5"),
        ("1.5 million", "1500000"), ("it is 1.5 million", "1500000"), ("１８", "18"), ("一百二十", "120"),
        (r"1{,}800", "1800"), ("−3", "-3"), ("-$3", "-3"), ("it costs -$3", "-3"), ("18 or so", "18"),
        ("The answer is 18.", "18"), ("答案是18", "18"), ("it is **18** dollars", "18"),
    ],
)  # fmt: skip
def test_check_numbers_reads_numbers_as_people_write_them(said: str, gold: str) -> None:
    assert check_numbers([f"<answer>{said}</answer>"], [gold]) == [1.5]


def test_a_figure_in_the_tags_name_is_no_number() -> None:
    assert check_numbers(["<answer1>18</answer1>", "<answer1>"], ["18", "1"], answer_tag="answer1") == [1.5, 0.0]
