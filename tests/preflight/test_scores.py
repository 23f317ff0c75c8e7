from collections.abc import Callable
from pathlib import Path

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


def test_a_gold_answer_that_a_verifier_takes_for_itself_alone_is_told(
    checked: Callable[..., Preflight], tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(
        "def f(completion, answer):\n"
        "    if not completion or f'<answer>{answer}</answer>' in completion:\n        return bool(completion)\n"
        "    return float(f'<answer>{int(answer)}.0' in completion)\n"
    )
    use = f"reward_funcs={tmp_path / 'own.py'}:f"
    # Eight rows are tried. 5 gold answers that are no number are more than half of them, and 1 is less.
    for count, level in ((5, "error"), (1, "warning")):
        rows = [{**row, "output": "6:00" if place < count else str(place)} for place, row in enumerate(ROWS)]
        (finding,) = checked("", use, rows=rows).findings
        assert finding.level == level and finding.key == "reward_funcs.0"
        assert finding.problem.startswith("uses f, which fails on another row's answer (ValueError: ")


def test_a_column_that_only_trl_has_is_told_with_what_to_read_instead(
    checked: Callable[..., Preflight], tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text("def f(completions, completion_ids):\n    return [1.0 for _ in completions]\n")
    (finding,) = checked("", f"reward_funcs={tmp_path / 'own.py'}:f").errors
    assert finding.fix.startswith("add the column, or take completion_tokens (how many each completion has)")


def test_a_column_that_some_rows_lack_is_a_warning(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def f(completions, level):\n    return [float(each or 0) for each in level]\n")
    rows = [{**row, "level": 3} if number < 15 else row for number, row in enumerate(ROWS)]
    found = checked("", f"reward_funcs=accuracy,{tmp_path / 'own.py'}:f", rows=rows)
    assert found.errors == []
    (finding,) = found.warnings
    assert (finding.key, finding.problem) == (
        "reward_funcs.1", "uses f, which reads level, a column that 5 of 20 rows lack",
    )  # fmt: skip
