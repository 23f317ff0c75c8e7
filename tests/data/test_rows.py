import json
import os
import time
from pathlib import Path

import pytest

from grpoctl.data.entry import Columns, DatasetEntry
from grpoctl.data.rows import Row, Rows, gold_answer, read_rows


def read(tmp_path: Path, text: str, max_samples: int | None = None, **entry: object) -> Rows:
    (tmp_path / "d.json").write_text(text, encoding="utf-8")
    return read_rows(DatasetEntry(file_name="d.json", **entry), tmp_path, max_samples)  # type: ignore[arg-type]


def said(rows: Rows, tmp_path: Path) -> list[str]:
    return [str(finding).replace(f"{tmp_path}/", "") for finding in rows.findings]


GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k"
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


def test_rows_without_end_are_not_all_taken_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grpoctl.data.rows.MAX_ROWS", 100)
    message = "d.json: holds more than 100 rows; say how many to use, as in max_samples: 100000."
    assert said(read(tmp_path, json.dumps([ONE] * 101)), tmp_path) == [message]
    assert said(read(tmp_path, json.dumps([ONE] * 100)), tmp_path) == []
    assert said(read(tmp_path, json.dumps([ONE] * 150), max_samples=120), tmp_path) == []
    assert message in said(read(tmp_path, "{}\n" * 200, max_samples=5), tmp_path)  # bad ones, of which none count


def test_a_missing_and_a_binary_file_get_one_line(tmp_path: Path) -> None:
    missing = read_rows(DatasetEntry(file_name="gone.json"), tmp_path)
    assert said(missing, tmp_path) == ["gone.json: is not there; check file_name in dataset_info.json."]
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    binary = read_rows(DatasetEntry(file_name="b.json"), tmp_path)
    assert said(binary, tmp_path) == ["b.json: is not UTF-8 text; save it as UTF-8."]


@pytest.mark.parametrize(
    ("ending", "what"), [("txt", "plain text"), ("xlsx", "an Excel sheet"), ("jsonl.zst", "packed with zstd")]
)
def test_other_kinds_are_told_to_be_converted(tmp_path: Path, ending: str, what: str) -> None:
    (tmp_path / f"d.{ending}").write_text("question,answer\n1+1,2\n")
    (finding,) = read_rows(DatasetEntry(file_name=f"d.{ending}"), tmp_path).findings
    assert (finding.problem, finding.fix) == (f"is {what}", "convert it to JSONL, CSV or Parquet")


def test_the_shards_of_a_folder_are_read_in_order_and_each_row_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number in (1, 0):
        row = {**ONE, "instruction": f"{number}?"}
        (tmp_path / "d" / f"train-{number:05}-of-00002.jsonl").write_text(f"{json.dumps(row)}\nno\n")
    rows = read_rows(DatasetEntry(file_name="d"), tmp_path)
    assert [row.question for row in rows.rows] == ["0?", "1?"]
    assert [line.partition(" is")[0] for line in said(rows, tmp_path)] == [
        "d/train-00000-of-00002.jsonl:2: row 2",
        "d/train-00001-of-00002.jsonl:2: row 2",
    ]
    assert len(read_rows(DatasetEntry(file_name="d"), tmp_path, max_samples=1).rows) == 1


def test_a_whole_number_that_parquet_made_a_float_is_one_again(tmp_path: Path) -> None:
    rows = read(tmp_path, json.dumps([{**ONE, "output": 72.0}, {**ONE, "output": 0.5}, {**ONE, "output": 1e300}]))
    assert [row.answer for row in rows.rows] == ["72", "0.5", "1e+300"]


def test_gsm8ks_rows_are_read_in_a_blink() -> None:
    if not GSM8K.is_dir():
        pytest.skip("GSM8K is not here")
    began = time.perf_counter()
    rows = read_rows(DatasetEntry(file_name="train.jsonl", columns=Columns(prompt="question", answer="answer")), GSM8K)
    assert time.perf_counter() - began < 1.0  # 0.06 s alone on one core
    assert (len(rows.rows), rows.bad, rows.rows[0].answer) == (7473, 0, "72")


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
