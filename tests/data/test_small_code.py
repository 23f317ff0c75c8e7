"""Does each task of the small coding set pay for its own solution, and not for programs that solve nothing?"""

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from grpoctl.data.entry import DatasetEntry
from grpoctl.data.rows import Row, read_rows
from grpoctl.rewards.code import code

linux = pytest.mark.skipif(sys.platform != "linux", reason="code is run on Linux alone")

DATA = Path(__file__).parents[2] / "data"
ROWS = read_rows(DatasetEntry(file_name="small_code.json"), DATA).rows

# The default of 1 s is ample (a solution takes milliseconds), but not where a machine has other things to do.
TIMEOUT_S = 5.0

ECHO = "import sys\nprint(sys.stdin.read())"


def checks_of(row: Row) -> list[Any]:
    tests: list[Any] = row.columns["tests"]
    return tests


def is_program(row: Row) -> bool:
    """Whether the task is to read and print, and not to write a function."""
    return isinstance(checks_of(row)[0], dict)


FUNCTIONS = [row for row in ROWS if not is_program(row)]
PROGRAMS = [row for row in ROWS if is_program(row)]


def solution_of(row: Row) -> ast.FunctionDef:
    (function,) = (line for line in ast.parse(row.answer).body if isinstance(line, ast.FunctionDef))
    return function


def signature(row: Row) -> str:
    function = solution_of(row)
    return f"{function.name}({ast.unparse(function.args)})"


def wants_of(test: Any) -> list[str]:
    """What a test compares with."""
    if isinstance(test, dict):
        return [test["output"]]
    return [ast.unparse(node.comparators[0]) for node in ast.walk(ast.parse(test)) if isinstance(node, ast.Compare)]


def paid(programs: list[str], rows: list[Row]) -> list[Row]:
    """The rows whose program passes, each written as the recipe asks for it."""
    completions = [f"<answer>\n```python\n{program}\n```\n</answer>" for program in programs]
    scores = code(completions, [checks_of(row) for row in rows], timeout_s=TIMEOUT_S)
    return [row for row, score in zip(rows, scores, strict=True) if score == 1.0]


def test_it_holds_56_functions_and_8_programs_one_task_a_line() -> None:
    lines = (DATA / "small_code.json").read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1]) == ("[", "]")
    assert [json.loads(line.removesuffix(",")) for line in lines[1:-1]] == [row.columns for row in ROWS]
    assert (len(FUNCTIONS), len(PROGRAMS)) == (56, 8)


def test_no_task_comes_twice() -> None:
    assert len({row.question for row in ROWS}) == len(ROWS)
    assert len({signature(row) for row in FUNCTIONS}) == len(FUNCTIONS)


def test_the_tasks_are_written_in_both_of_the_users_languages() -> None:
    chinese = [row for row in ROWS if re.search("[一-鿿]", row.question)]
    assert (len(chinese), len(ROWS) - len(chinese)) == (17, 47)
    assert any(is_program(row) for row in chinese)


def test_a_row_has_an_instruction_an_empty_input_a_whole_solution_and_tests() -> None:
    for row in ROWS:
        assert list(row.columns) == ["instruction", "input", "output", "tests"]
        assert row.columns["input"] == ""
        assert row.answer == row.columns["output"]  # no #### has cut it
        assert 4 <= len(checks_of(row)) <= 6, row.question


def test_a_task_names_its_function_and_arguments_as_its_solution_does() -> None:
    assert [row.question for row in FUNCTIONS if signature(row) not in row.question] == []


def test_every_test_of_a_function_is_one_assert_that_calls_it() -> None:
    for row in FUNCTIONS:
        for test in checks_of(row):
            (line,) = ast.parse(test).body
            assert isinstance(line, ast.Assert), test
            assert f"{solution_of(row).name}(" in test, test


def test_no_constant_answer_passes_all_checks_of_a_task() -> None:
    wanted = [{want for test in checks_of(row) for want in wants_of(test)} for row in ROWS]
    assert [row.question for row, different in zip(ROWS, wanted, strict=True) if len(different) < 2] == []


def test_a_solution_imports_the_standard_library_alone() -> None:
    nodes = [node for row in ROWS for node in ast.walk(ast.parse(row.answer))]
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    assert not any(isinstance(node, ast.ImportFrom) for node in nodes)
    assert imported <= sys.stdlib_module_names


@linux
def test_every_solution_passes_its_own_tests() -> None:
    assert len(paid([row.answer for row in ROWS], ROWS)) == len(ROWS)


@linux
def test_a_function_that_returns_nothing_or_its_argument_fails_every_task() -> None:
    nothing = [f"def {signature(row)}:\n    return None" for row in FUNCTIONS]
    first = [f"def {signature(row)}:\n    return {solution_of(row).args.args[0].arg}" for row in FUNCTIONS]
    assert paid(nothing + first, FUNCTIONS * 2) == []


@linux
def test_a_program_that_prints_nothing_or_its_input_or_one_right_output_fails_every_task() -> None:
    outputs = [f"print({checks_of(row)[0]['output']!r}, end='')" for row in PROGRAMS]
    assert paid(["pass"] * 8 + [ECHO] * 8 + outputs, PROGRAMS * 3) == []
