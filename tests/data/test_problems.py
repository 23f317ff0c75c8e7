"""The problems held back stay held back, and rewards see every column."""

import os
import subprocess
import sys

import pytest

from grpoctl.data.problems import Problem, columns_of, hold_back
from grpoctl.data.rows import Row

PROBLEMS = [Problem(f"{number} + 1?", Row(f"{number} + 1?", str(number + 1))) for number in range(40)]


def held(count: int, seed: int) -> list[int]:
    """The places of the problems held back."""
    return [PROBLEMS.index(problem) for problem in hold_back(PROBLEMS, count, seed)[1]]


@pytest.mark.parametrize("count", [0, 1, 10, 39, 40])
def test_each_problem_is_either_trained_on_or_held_back(count: int) -> None:
    train, kept = hold_back(PROBLEMS, count, seed=3)
    assert len(kept) == count
    assert sorted(map(PROBLEMS.index, [*train, *kept])) == list(range(40))


def test_both_stay_in_the_order_of_the_data() -> None:
    for part in hold_back(PROBLEMS, 10, seed=3):
        places = [PROBLEMS.index(problem) for problem in part]
        assert places == sorted(places)


def test_more_than_there_are_leaves_nothing_to_train_on() -> None:
    assert hold_back(PROBLEMS, 41, seed=3) == ([], PROBLEMS)


def test_no_problems_are_no_fault() -> None:
    assert hold_back([], 5, seed=3) == ([], [])


def test_problems_that_are_equal_are_still_two() -> None:
    train, kept = hold_back([PROBLEMS[0]] * 4, 1, seed=3)
    assert (len(train), len(kept)) == (3, 1)


def test_the_seed_alone_decides() -> None:
    assert held(10, seed=3) == held(10, seed=3)
    assert held(10, seed=3) != held(10, seed=4)


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_holds_back_the_same(hash_seed: str) -> None:
    # A resumed run would otherwise train on what it is evaluated on.
    program = (
        "from grpoctl.data.problems import Problem, hold_back\n"
        "from grpoctl.data.rows import Row\n"
        "problems = [Problem(str(number), Row('', '')) for number in range(40)]\n"
        "print(*(problem.prompt for problem in hold_back(problems, 10, 3)[1]))\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", program]
    given = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert given.stdout.split() == [str(place) for place in held(10, seed=3)]


def test_a_column_that_only_some_rows_have_is_none_in_the_others() -> None:
    rows = [Row("a?", "1", columns={"level": 3}), Row("b?", "2", columns={"source": "x"})]
    assert columns_of(rows) == {
        "level": [3, None], "source": [None, "x"], "answer": ["1", "2"], "references": ["1", "2"],
        "question": ["a?", "b?"],
    }  # fmt: skip


def test_the_gold_answer_wins_over_a_column_named_answer_and_other_columns_over_what_is_given() -> None:
    row = Row("a?\nb", "72", columns={"answer": "first 70, then 2\n#### 72", "question": "a?", "references": "r"})
    assert columns_of([row]) == {"answer": ["72"], "question": ["a?"], "references": ["r"]}


def test_prompts_and_lengths_are_given_where_they_are_known() -> None:
    columns = columns_of([Row("a?", "1")], ["<user>a?"], [7])
    assert (columns["prompts"], columns["completion_tokens"]) == (["<user>a?"], [7])


def test_no_rows_have_empty_columns() -> None:
    assert columns_of([]) == {"answer": [], "references": [], "question": []}
