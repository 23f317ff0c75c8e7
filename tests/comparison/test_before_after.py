"""A run's evaluations before and after training, and whether they differ by more than chance."""

import json
from pathlib import Path
from typing import Any

import pytest
from fake_evals import evaluated, report
from fake_run import Told, make_run

from grpoctl.comparison.before_after import BeforeAfter, compare_scores, evals_of
from grpoctl.run.directory import RunDirectory
from grpoctl.run.evals import EvalFiles
from grpoctl.run.view import view_run


def found(run: RunDirectory) -> dict[str, BeforeAfter]:
    return evals_of(run, view_run(run))


def told(step: int, solved: int, n: int = 10, **more: Any) -> Told:
    return "eval_finished", report(step, solved, n, **more)


def accuracies(evals: BeforeAfter) -> tuple[float | None, float | None]:
    before, after = (None if each is None else each["accuracy"] for each in (evals.before, evals.after))
    return before, after


def test_the_first_and_the_last_evaluation_are_before_and_after(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", told(0, 1), told(40, 5), told(80, 7), told(0, 2, mode="standard"))
    assert {mode: accuracies(evals) for mode, evals in found(run).items()} == {
        "greedy": (0.1, 0.7),
        "standard": (0.2, None),
    }


def test_the_model_before_training_may_be_evaluated_at_the_end(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", told(80, 7), told(0, 1, base=True))
    assert accuracies(found(run)["greedy"]) == (0.1, 0.7)


def test_a_single_evaluation_behind_the_start_is_after(tmp_path: Path) -> None:
    assert accuracies(found(make_run(tmp_path / "r", told(80, 7)))["greedy"]) == (None, 0.7)


def test_the_last_word_on_a_step_counts(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", told(0, 1), told(80, 7), told(0, 2), told(80, 8))
    assert accuracies(found(run)["greedy"]) == (0.2, 0.8)


@pytest.mark.parametrize("other", [{"n": 20}, {"dataset": "other"}, {"k": 8}])
def test_evaluations_of_other_problems_are_not_held_against_each_other(other: dict[str, Any], tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", told(0, 1, **other), told(40, 3), told(80, 7))
    assert accuracies(found(run)["greedy"]) == (0.3, 0.7)


def test_a_report_of_an_older_version_is_of_one_answer_a_problem(tmp_path: Path) -> None:
    old = {"mode": "greedy", "dataset": "tiny", "step": 0, "n": 10, "accuracy": 0.2, "format_accuracy": 1.0}
    run = make_run(tmp_path / "r", ("eval_finished", old), told(80, 7))
    assert accuracies(found(run)["greedy"]) == (0.2, 0.7)


def test_the_change_is_tested_on_the_problems_themselves(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    evaluated(run, 0, [True, False, False, False, False, False, False])
    evaluated(run, 80, [False, True, True, True, True, True, False])
    change = found(run)["greedy"].change
    # 5 won and 1 lost: 2 * (C(6, 0) + C(6, 1)) / 2**6
    assert change is not None and change.p == 14 / 64
    assert change.difference == pytest.approx(4 / 7)


def test_without_samples_there_is_no_test_and_no_complaint(tmp_path: Path) -> None:
    assert found(make_run(tmp_path / "r", told(0, 1), told(80, 7)))["greedy"].change is None


def test_an_evaluation_that_is_set_apart_has_its_file_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", told(80, 7))
    evaluated(run, 80, [True, False], "standard", apart="k8", k=8)
    assert {mode: accuracies(evals) for mode, evals in found(run).items()} == {
        "standard-k8": (None, 0.5),
        "greedy": (None, 0.7),
    }
    assert len(found(run)["standard-k8"].scores_after) == 2


def test_where_the_events_are_lost_the_reports_are_read(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    evaluated(run, 0, [False, False])
    evaluated(run, 80, [True, False])
    run.events.unlink()
    (run.evals / "greedy-step-000090.json").write_text("{")
    (run.evals / "notes.json").write_text("{}")
    assert accuracies(found(run)["greedy"]) == (0.0, 0.5)


def test_samples_of_the_model_before_training_may_have_a_file_of_their_own(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    evaluated(run, 80, [True, True])
    evaluated(run, 0, [False, True], base=True)
    (run.evals / "greedy-step-000000.jsonl").rename(run.evals / "greedy-step-000000-base.jsonl")
    change = found(run)["greedy"].change
    assert change is not None and change.difference == 0.5


def test_the_share_of_a_problems_samples_is_its_score(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", told(80, 1, 2, k=4))
    files = EvalFiles(run.evals, "greedy-step-000080")
    files.begin({}, [])
    rights = [(0, True), (1, False), (0, True), (0, False), (1, False), (0, True), (1, True), (1, False)]
    files.add([{"problem": place, "prompt": f"{place}?", "answer": "7", "right": right} for place, right in rights])
    assert found(run)["greedy"].scores_after == {("0?", "7"): [0.75], ("1?", "7"): [0.25]}


@pytest.mark.parametrize("line", ["{", "7", '{"problem": [1], "right": true}', '{"problem": 0}'])
def test_damaged_samples_leave_the_reports(line: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    evaluated(run, 0, [False, True])
    evaluated(run, 80, [True, True])
    samples = run.evals / "greedy-step-000080.jsonl"
    head, _, last = samples.read_text().splitlines()
    samples.write_text(f"{head}\n{line}\n{last}\n")
    evals = found(run)["greedy"]
    assert (accuracies(evals), evals.change, evals.scores_after) == ((0.5, 1.0), None, {})


def test_a_damaged_event_hides_no_other(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", told(80, 7))
    with run.events.open("a") as stream:
        stream.write(json.dumps({"event": "eval_finished", "mode": 7, "step": 90}) + "\n{\n")
    assert {mode: accuracies(evals) for mode, evals in found(run).items()} == {"greedy": (None, 0.7)}


def test_the_order_of_the_problems_does_not_matter_and_one_may_come_twice() -> None:
    one = {("a", "1"): [1.0], ("b", "2"): [0.0, 1.0]}
    other = {("b", "2"): [0.0, 0.0], ("a", "1"): [1.0]}
    test = compare_scores(one, other)
    assert test is not None and test.difference == pytest.approx(-1 / 3)
    assert compare_scores(one, {("b", "2"): [0.0], ("a", "1"): [1.0]}) is None
    assert compare_scores(one, {("b", "3"): [0.0, 0.0], ("a", "1"): [1.0]}) is None
    assert compare_scores({}, {}) is None
