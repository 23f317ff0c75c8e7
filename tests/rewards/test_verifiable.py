import json
import time
from pathlib import Path

import pytest

from grpoctl.data.rows import gold_answer
from grpoctl.rewards.graded import check_answer
from grpoctl.rewards.verifiable import accuracy, format

GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k" / "train.jsonl"


def score(said: str, gold: str = "18") -> float | None:
    return accuracy([f"<think>x</think><answer>{said}</answer>"], [gold])[0]


@pytest.mark.parametrize("said", ["18", " 18 ", "18.0", "18.00", "$18", "+18", "18.", "1.8e1", "36/2", "\n18\n"])
def test_accuracy_reads_a_number_as_people_write_it(said: str) -> None:
    assert score(said) == 1.0


@pytest.mark.parametrize(
    "said",
    ["17", "17 or 18", "18 or 17", "not 18", "x = 17 = 18", "1800%", "18.0001", "", "١٨", "1e999999", "nan",
     "9" * 5000,
     "我不確定，可能是 10 頁？", "(" * 10_000 + "18"],
)  # fmt: skip
def test_accuracy_takes_nothing_but_the_answer(said: str) -> None:
    assert score(said) == 0.0


@pytest.mark.parametrize(
    ("said", "gold"),
    [("$1,800", "1800"), ("18 dollars", "18"), ("1/2", "0.5"), ("50%", "50"), ("50%", "0.5"), (r"\boxed{18}", "18"),
     ("１８", "18"), ("十八", "18")],
)  # fmt: skip
def test_accuracy_takes_every_dress_of_the_answer(said: str, gold: str) -> None:
    assert score(said, gold) == 1.0


@pytest.mark.parametrize("said", ["1 x 10^309", r"1 \times 10^{400}", "一" + "亿" * 39])
def test_a_number_beyond_floats_is_wrong_and_no_fault(said: str) -> None:
    assert score(said) == score("18", said) == 0.0


def test_equal_text_comes_before_equal_numbers() -> None:
    assert score("x = 4", "x = 4") == 1.0
    assert score("a lot", "a lot") == 1.0
    assert score("4", "x = 4") == score("x=4", "x = 4") == 1.0
    assert score("y = 4", "x = 4") == score("5", "x = 4") == 0.0
    assert score("1,234", "1234") == 1.0


def test_only_the_last_answer_tag_counts_and_only_a_closed_one() -> None:
    assert accuracy(["18 <answer>0</answer>"], ["18"]) == [0.0]
    assert accuracy(["<answer>0</answer> no, <answer>18</answer>"], ["18"]) == [1.0]
    assert accuracy(["<answer>18</answer> and that is </answer>"], ["18"]) == [1.0]
    assert accuracy(["<answer>18"], ["18"]) == [0.0]
    assert accuracy(["18"], ["18"]) == [0.0]
    assert accuracy(["<final>18</final>"], ["18"], answer_tag="final") == [1.0]


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("<think>a</think><answer>1</answer>", 1.0),
        ("well <think>a</think> so <answer>1</answer> done", 1.0),
        ("<think>a</think>1", 0.0),
        ("<answer>1</answer>", 0.0),
        ("<think>a<answer>1</answer>", 0.0),
        ("", 0.0),
    ],
)
def test_format_asks_for_both_pairs_of_tags(completion: str, expected: float) -> None:
    assert format([completion]) == [expected]


def test_format_takes_the_recipes_tag() -> None:
    assert format(["<reasoning>a</reasoning><answer>1</answer>"], reasoning_tag="reasoning") == [1.0]


def test_no_completion_makes_a_reward_slow() -> None:
    hostile = ["<answer>" * 500_000, "9" * 10_000_000, "<answer>" + "9" * 5_000_000 + "</answer>", "<think>" * 10**6]
    start = time.perf_counter()
    assert accuracy(hostile, ["18"] * 4) == format(hostile) == [0.0] * 4
    assert time.perf_counter() - start < 1


@pytest.mark.skipif(not GSM8K.is_file(), reason="the real GSM8K is not beside this checkout")
def test_every_gold_answer_of_gsm8k_earns_the_maximum_and_no_neighbour_does() -> None:
    answers = [gold_answer(json.loads(line)["answer"]) for line in GSM8K.read_text(encoding="utf-8").splitlines()]
    golds = [f"<answer>{answer}</answer>" for answer in answers]
    shifted = [f"<answer>{int(answer.replace(',', '')) + 1}</answer>" for answer in answers]
    assert sum(map(bool, accuracy(golds, answers))) == len(answers) == 7473
    assert sum(map(bool, accuracy(shifted, answers))) == 0
    assert check_answer(golds, answers) == [3.0] * 7473
    assert 3.0 not in check_answer(shifted, answers)
