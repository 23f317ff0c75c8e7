import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support import LAPTOP, ROWS

from grpoctl.preflight import Preflight, check
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
