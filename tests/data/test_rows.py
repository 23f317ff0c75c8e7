import json
import os
from pathlib import Path

import pytest

from grpoctl.data.dataset_info import Columns, DatasetEntry
from grpoctl.data.rows import Row, Rows, gold_answer, read_rows


def read(tmp_path: Path, text: str, max_samples: int | None = None, **entry: object) -> Rows:
    (tmp_path / "d.json").write_text(text, encoding="utf-8")
    return read_rows(DatasetEntry(file_name="d.json", **entry), tmp_path, max_samples)  # type: ignore[arg-type]


def said(rows: Rows, tmp_path: Path) -> list[str]:
    return [str(finding).replace(f"{tmp_path}/", "") for finding in rows.findings]


ONE = {"instruction": "1 + 1?", "input": "", "output": "2"}


def test_a_list_and_one_record_a_line_read_the_same(tmp_path: Path) -> None:
    as_list = read(tmp_path, json.dumps([ONE, ONE]))
    as_lines = read(tmp_path, f"{json.dumps(ONE)}\n\n{json.dumps(ONE)}\n")
    assert as_list.rows == as_lines.rows == [Row("1 + 1?", "2", columns=ONE)] * 2


def test_the_query_stands_below_the_prompt_and_history_before_it(tmp_path: Path) -> None:
    row = {**ONE, "input": "Be brief.", "system": "You count.", "history": [["a", "b"]]}
    (read_row,) = read(tmp_path, json.dumps([row])).rows
    assert (read_row.question, read_row.system, read_row.history) == ("1 + 1?\nBe brief.", "You count.", (("a", "b"),))


def test_named_columns_replace_all_of_alpacas(tmp_path: Path) -> None:
    row = {"q": "how many?", "a": "first\n#### 1,234", "level": 3}
    (read_row,) = read(tmp_path, json.dumps([row]), columns=Columns(prompt="q", answer="a")).rows
    assert (read_row.question, read_row.answer, read_row.columns["level"]) == ("how many?", "1,234", 3)


@pytest.mark.parametrize(
    ("text", "answer"), [("x = 4", "x = 4"), ("steps\n#### 72", "72"), (" 7 ", "7"), ("a #### b #### 5", "5")]
)
def test_the_gold_answer_stands_behind_gsm8ks_mark(text: str, answer: str) -> None:
    assert gold_answer(text) == answer


def test_a_number_is_an_answer_too(tmp_path: Path) -> None:
    assert read(tmp_path, json.dumps([{**ONE, "output": 2}])).rows[0].answer == "2"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"output": "2"}, "has no text in instruction, the question; give it one, or name another column."),
        ({**ONE, "instruction": " "}, "has an empty instruction, the question; give it a text."),
        ({**ONE, "output": None}, "has no text or number in output, the gold answer; give it one."),
        ({**ONE, "output": ["2"]}, "has no text or number in output, the gold answer; give it one."),
        ({**ONE, "output": True}, "has no text or number in output, the gold answer; give it one."),
        ({**ONE, "output": "####"}, "has no text or number in output, the gold answer; give it one."),
        ({**ONE, "output": float("inf")}, "has no text or number in output, the gold answer; give it one."),
        (
            {**ONE, "history": ["a"]},
            "has no list of [question, answer] pairs in history; write it as one, or leave it out.",
        ),
        ("words", "is no JSON object; write {…} with the columns."),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_left_out(tmp_path: Path, row: object, message: str) -> None:
    rows = read(tmp_path, f"[\n{json.dumps(ONE)},\n{json.dumps(row)},\n{json.dumps(ONE)}\n]")
    assert len(rows.rows) == 2
    assert said(rows, tmp_path) == [f"d.json:3: row 2 {message}"]


def test_many_bad_rows_are_counted_and_five_are_named(tmp_path: Path) -> None:
    rows = read(tmp_path, "\n".join(["{}"] * 12))
    assert rows.bad == 12
    assert said(rows, tmp_path)[-1] == "d.json: has 7 more bad rows; mend them in the same way."
    assert len(rows.findings) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "d.json: holds no rows; give it at least a step's worth."),
        ("[]", "d.json: holds no rows; give it at least a step's worth."),
        ("[ \n ]", "d.json: holds no rows; give it at least a step's worth."),
        ('[{"instruction": "a"', "d.json:1: is not JSON (Expecting ',' delimiter); mend it here."),
        ('[{"instruction": "a", "output": "1"},\n', "d.json:2: is not JSON (Expecting value); mend it here."),
        ('[{"instruction": "a", "output": "1"}\n', "d.json:2: ends before its list does; mend it here."),
        ('[{"instruction": "a", "output": "1"}\n{}]', "d.json:2: has { where a comma is due; mend it here."),
        ('[{"instruction": "a", "output": "1"}]\n{}', "d.json:1: goes on behind its list; mend it here."),
        ('[{"instruction": "a", "output": "1"},\n]', "d.json:2: has a comma behind its last row; mend it here."),
        ('{\n"data": []}', "d.json: holds one object; write a list of rows, or one row a line."),
        (
            '{"instruction": "a", "output": "1"}\n{"a": }',
            "d.json:2: row 2 is not JSON (Expecting value); mend it here.",
        ),
        ("[" * 100_000, "is not JSON"),
        ('{"a": ' * 50_000, "is not JSON"),
        ("[" + "9" * 10_000 + "]", "is not JSON"),
    ],
)
def test_a_file_that_is_no_json_gets_one_line(tmp_path: Path, text: str, message: str) -> None:
    (finding,) = said(read(tmp_path, text), tmp_path)
    assert message in finding


def test_a_bad_line_spoils_only_itself(tmp_path: Path) -> None:
    rows = read(tmp_path, f"{json.dumps(ONE)}\nnot json\n{json.dumps(ONE)}\n")
    assert len(rows.rows) == 2
    assert said(rows, tmp_path) == ["d.json:2: row 2 is not JSON (Expecting value); mend it here."]


def test_max_samples_and_num_samples_bound_the_rows(tmp_path: Path) -> None:
    text = json.dumps([ONE] * 9)
    assert len(read(tmp_path, text, max_samples=4).rows) == 4
    assert len(read(tmp_path, text, max_samples=4, num_samples=3).rows) == 3


def test_a_missing_and_a_binary_file_get_one_line(tmp_path: Path) -> None:
    missing = read_rows(DatasetEntry(file_name="gone.json"), tmp_path)
    assert said(missing, tmp_path) == ["gone.json: is not there; check file_name in dataset_info.json."]
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    binary = read_rows(DatasetEntry(file_name="b.json"), tmp_path)
    assert said(binary, tmp_path) == ["b.json: is not UTF-8 text; save it as UTF-8 JSON or JSONL."]
    folder = read_rows(DatasetEntry(file_name="."), tmp_path)
    assert said(folder, tmp_path)[0].endswith(": is no file; check file_name in dataset_info.json.")


@pytest.mark.parametrize("ending", ["csv", "parquet", "txt"])
def test_other_formats_are_told_to_be_converted(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"d.{ending}").write_text("question,answer\n1+1,2\n")
    (finding,) = read_rows(DatasetEntry(file_name=f"d.{ending}"), tmp_path).findings
    assert finding.fix == "convert it to JSON or JSONL, which this version reads"


def test_a_number_of_any_length_is_an_answer(tmp_path: Path) -> None:
    assert read(tmp_path, json.dumps([{**ONE, "output": 10**400}])).rows[0].answer == str(10**400)


@pytest.mark.parametrize(
    ("change", "said_of_it"),
    [
        ({"instruction": "\ud800"}, "has no text in instruction, the question"),
        ({"input": {"a": 1}}, "has no text in input"),
        ({"system": ["a"]}, "has no text in system"),
        ({"history": [["a", None]]}, "has no list of [question, answer] pairs in history"),
    ],
)
def test_no_column_of_a_wrong_type_is_dropped_in_silence(
    tmp_path: Path, change: dict[str, object], said_of_it: str
) -> None:
    (finding,) = read(tmp_path, json.dumps([ONE, {**ONE, **change}])).findings
    assert finding.problem == f"row 2 {said_of_it}"


def test_a_file_name_that_no_file_can_have_gets_one_line(tmp_path: Path) -> None:
    for name in ("a\0b", "x" * 400):
        (finding,) = read_rows(DatasetEntry(file_name=name), tmp_path).findings
        assert "cannot be read" in finding.problem or "is not there" in finding.problem


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "d.json")
    (finding,) = read_rows(DatasetEntry(file_name="d.json"), tmp_path).findings
    assert finding.problem == "is no file"
