from collections.abc import Callable

import pytest
from support import ROWS

from grpoctl.preflight import Preflight
from grpoctl.rewards import registry

pytestmark = pytest.mark.usefixtures("every_engine")


def test_a_reward_that_the_gold_answer_cannot_reach_is_an_error(checked: Callable[..., Preflight]) -> None:
    rows = [{**row, "output": "a lot"} for row in ROWS]
    (finding,) = checked("", "reward_funcs=accuracy,check_numbers", rows=rows).errors
    assert finding.key == "reward_funcs.1"
    assert finding.problem == 'gives check_numbers 0 of 1.5 for the gold answer "a lot" (20 of 20 tried)'


def test_an_unknown_reward_is_an_error_with_a_suggestion(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("", "reward_funcs=accuracy,fromat").errors
    assert (finding.key, finding.fix) == ("reward_funcs.1.use", "did you mean format?")


def test_a_worked_solution_as_the_gold_answer_is_a_warning(checked: Callable[..., Preflight]) -> None:
    essay = "First we add the two numbers, then we look at what came of it, and the answer is then plainly seven."
    found = checked(rows=[{**row, "output": essay} for row in ROWS])
    assert "dataset" in {finding.key for finding in found.warnings}
    behind_marks = [{**row, "output": f"{essay}\n#### {row['output']}"} for row in ROWS]
    assert checked(rows=behind_marks).findings == []


def test_rewards_that_pull_nowhere_are_a_warning(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("", "reward_funcs=[{use: accuracy}, {use: format, weight: -1}]").warnings
    assert finding.problem == "give a right answer no more than an empty one"


def test_a_reward_that_reads_a_column_which_the_data_lacks_is_an_error(
    checked: Callable[..., Preflight], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_REWARDS", dict(registry.all_rewards()))

    def levels(completions: list[str], level: list[int]) -> list[float | None]:
        """The level of each row."""
        return [float(value) for value in level]

    registry.reward(maximum=None)(levels)
    (finding,) = checked("", "reward_funcs=accuracy,levels").errors
    assert finding.problem == "uses levels, which reads level, a column that the data lacks"
    found = checked(
        "", "reward_funcs=[{use: levels, weight: 2.0}, accuracy]", rows=[{**row, "level": 3} for row in ROWS]
    )
    assert (found.gold_scores, found.empty_scores) == ([6.0, 1.0], [6.0, 0.0])


def test_a_reward_with_tags_of_its_own_is_tried_with_them(checked: Callable[..., Preflight]) -> None:
    assert checked("", "reward_funcs=[{use: accuracy, args: {answer_tag: final}}]").errors == []
