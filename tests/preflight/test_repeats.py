"""Questions that come twice, in the data or there and in the evaluation, are told."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support import ROWS

from grpoctl.preflight import Preflight

pytestmark = pytest.mark.usefixtures("every_engine")


def test_a_repeated_question_is_a_warning(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("", rows=[*ROWS, ROWS[0], ROWS[0]]).findings
    assert (finding.level, finding.key) == ("warning", "dataset")
    assert finding.problem == 'asks the same question again in 2 of 22 rows (the first: the text "10 + 1?")'


def test_two_gold_answers_to_one_question_are_said(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("", rows=[*ROWS, {**ROWS[3], "output": "15"}]).findings
    assert "in 1 of 21 rows, 1 of them with different gold answers" in finding.problem


def test_a_data_set_that_is_meant_to_repeat_is_silent(checked: Callable[..., Preflight]) -> None:
    assert checked("", "dataset=mine,mine", "mix_strategy=interleave_over").findings == []
    (finding,) = checked("", "dataset=mine,mine").findings
    assert "in 20 of 40 rows" in finding.problem


def test_questions_that_are_trained_and_evaluated_on_are_a_warning(
    checked: Callable[..., Preflight], tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps([*ROWS[:2], {"instruction": "another?", "output": "3"}]))
    (finding,) = checked("", f"eval_dataset={other}").findings
    assert finding.key == "eval_dataset"
    assert finding.problem == 'has 2 of 3 questions that are trained on as well (the first: the text "10 + 1?")'
