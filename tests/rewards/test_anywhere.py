import time

import pytest

from grpoctl.rewards.anywhere import answer_anywhere


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("3 or 4? <answer>5</answer> 6", "5"),  # the tag comes first
        (r"3, \boxed{1} and \boxed{\frac{1}{2}} 7", r"\frac{1}{2}"),
        ("so 12 - 3 = 9, or 1,234.5.", "1,234.5"),
        ("9, then", "9"),
        ("nothing", None),
        ("", None),
    ],
)
def test_the_answer_is_the_tag_the_box_or_the_last_number(completion: str, answer: str | None) -> None:
    assert answer_anywhere(completion, "answer") == answer


def test_no_completion_makes_it_slow() -> None:
    for unit in ("9", "\\boxed{", "{", "9,", "<answer>", "\\boxed{a{"):
        start = time.perf_counter()
        answer_anywhere(unit * (10_000_000 // len(unit)), "answer")
        assert time.perf_counter() - start < 0.5
