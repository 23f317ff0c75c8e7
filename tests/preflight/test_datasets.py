import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support import LAPTOP, ROWS

from grpoctl.preflight import Preflight, check
from grpoctl.preflight.words import facts
from grpoctl.recipe.load import read_recipe

pytestmark = pytest.mark.usefixtures("every_engine")


def test_an_unknown_data_set_is_an_error_at_its_line(recipe_file: Callable[..., Path]) -> None:
    path = recipe_file().read_text().replace("tiny_arithmetic", "tiny_arithmatic")
    file = recipe_file()
    file.write_text(path)
    (finding,) = check(read_recipe(str(file)), LAPTOP).errors
    assert str(finding) == (
        f"{file}:2: dataset: names tiny_arithmatic, which no dataset_info.json has; did you mean tiny_arithmetic?"
    )


def test_a_data_set_or_model_that_is_elsewhere_is_a_warning(checked: Callable[..., Preflight]) -> None:
    found = checked("", "dataset=hubbed", "model_name_or_path=Some/Model")
    assert found.errors == []
    assert {finding.key for finding in found.warnings} == {"dataset", "model_name_or_path"}
    assert found.plan is not None and found.plan.steps is None


def test_bad_rows_are_errors_with_their_place(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked(rows=[*ROWS, {"instruction": "?", "output": None}]).errors
    assert finding.problem == "row 21 has no text or number in output, the gold answer"


def test_a_misnamed_column_is_told_once_at_its_entry(checked: Callable[..., Preflight]) -> None:
    found = checked(rows=[{"question": "1+1?", "answer": "#### 2"}] * 30)
    assert [(finding.key, finding.problem) for finding in found.errors] == [
        ("columns.prompt", "is instruction, and the rows have question, answer"),
        ("columns.response", "is output, and the rows have question, answer"),
    ]


def test_a_column_that_the_entry_names_and_no_row_has_is_an_error(
    checked: Callable[..., Preflight], tmp_path: Path
) -> None:
    checked()
    columns = {"prompt": "instruction", "query": "inputs", "response": "output"}
    info = {"mine": {"file_name": "mine.json", "columns": columns}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info, indent=1))
    overrides = ("dataset=mine", f"dataset_dir={tmp_path}")
    (finding,) = check(read_recipe(str(tmp_path / "r.yaml"), overrides), LAPTOP).errors
    assert str(finding) == (
        f"{tmp_path}/dataset_info.json:6: columns.query: is inputs, and the rows have instruction, input, output; "
        "did you mean input?"
    )


def test_each_of_several_unknown_data_sets_is_named(checked: Callable[..., Preflight]) -> None:
    assert [finding.key for finding in checked("", "dataset=mine,nosuch,gone").errors] == ["dataset.1", "dataset.2"]


def test_several_data_sets_are_mixed_as_the_recipe_says(checked: Callable[..., Preflight]) -> None:
    found = checked("", "dataset=mine,tiny_arithmetic", "mix_strategy=interleave_under")
    assert found.rows is not None
    assert [len(row.question) < 10 for row in found.rows] == [True, False] * 20


def test_bad_rows_are_left_out_where_the_recipe_says_so(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    rows = [*ROWS, {"instruction": ""}, 7]
    refused = checked("", rows=rows)
    assert [finding.problem for finding in refused.errors] == [
        "row 21 has an empty instruction, the question", "row 22 is no JSON object",
    ]  # fmt: skip
    found = checked("", "bad_rows=skip", rows=rows)
    (finding,) = found.findings
    assert (finding.level, finding.key) == ("warning", "dataset")
    assert finding.problem.startswith("leaves out 2 of 22 rows (bad_rows: skip); the first: ")
    assert f"{tmp_path / 'mine.json'}:1: row 21 has an empty instruction" in finding.problem
    assert len(found.rows or []) == 20


def test_a_file_with_no_good_row_or_a_broken_end_is_an_error_all_the_same(
    checked: Callable[..., Preflight], tmp_path: Path
) -> None:
    assert checked("", "bad_rows=skip", rows=[7]).errors != []
    assert checked("", "bad_rows=skip", "dataset=other", rows=ROWS).errors != []
    (tmp_path / "cut.json").write_text(json.dumps([7, *ROWS])[:-30])
    assert checked("", "bad_rows=skip", f"dataset={tmp_path / 'cut.json'}").errors != []


def test_a_path_needs_no_entry_and_what_was_guessed_is_told(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps({"question": f"{n} + 1?", "answer": str(n + 1)}) + "\n" for n in range(20)))
    found = checked("", f"dataset={file}")
    assert found.findings == []
    assert found.guessed == {str(file): {"prompt": "question", "answer": "answer"}}
    assert facts(found)["columns"] == f"{file}: prompt from question, answer from answer (guessed)"
