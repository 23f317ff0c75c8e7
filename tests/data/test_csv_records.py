import csv
from pathlib import Path

import pytest

from grpoctl.data.entry import Columns, DatasetEntry
from grpoctl.data.rows import Rows, read_rows


def read(tmp_path: Path, text: str | bytes, name: str = "d.csv", max_samples: int | None = None) -> Rows:
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    columns = Columns(prompt="question", answer="answer")
    return read_rows(DatasetEntry(file_name=name, columns=columns), tmp_path, max_samples)


def said(rows: Rows, tmp_path: Path) -> list[str]:
    return [str(finding).replace(f"{tmp_path}/", "") for finding in rows.findings]


def pairs(rows: Rows) -> list[tuple[str, str]]:
    return [(row.question, row.answer) for row in rows.rows]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_of_every_system_and_excels_mark_are_read(tmp_path: Path, end: str, mark: str) -> None:
    text = mark + end.join(["question,answer", "1+1?,2", "", '"a, b?",3', ""])
    assert pairs(read(tmp_path, text)) == [("1+1?", "2"), ("a, b?", "3")]


def test_tabs_part_the_columns_of_tsv(tmp_path: Path) -> None:
    assert pairs(read(tmp_path, "question\tanswer\n1, 2?\t3\n", "d.tsv")) == [("1, 2?", "3")]


def test_cells_are_text_and_a_quoted_one_may_have_many_lines(tmp_path: Path) -> None:
    rows = read(tmp_path, 'question,answer\n"a\nb\n""c""?",007\nonly one\n')
    assert pairs(rows) == [('a\nb\n"c"?', "007")]
    # the header is line 1, the cell of three lines 2 to 4
    assert said(rows, tmp_path) == [
        "d.csv:5: row 2 has 1 cells, and the first line 2; put cells with commas in quotes."
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"a,1,2", "row 1 has 3 cells, and the first line 2; put cells with commas in quotes."),
        (b"a\0b,1", "row 1 holds a NUL character; remove it."),
        (b"caf\xe9,1", "row 1 is not UTF-8 text; save the file as UTF-8."),
        (b'"a"b,1', "row 1 is not CSV (',' expected after '\"'); mend it here."),
        (b",1", "row 1 has an empty question, the question; give it a text."),
        (b"a,", "row 1 has no text or number in answer, the gold answer; give it one."),
    ],
)
def test_a_bad_line_spoils_only_itself(tmp_path: Path, line: bytes, message: str) -> None:
    rows = read(tmp_path, b"question,answer\n" + line + b"\nc,3\n")
    assert pairs(rows) == [("c", "3")]
    assert said(rows, tmp_path) == [f"d.csv:2: {message}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "d.csv: holds no rows; give it at least a step's worth."),
        ("question,answer\n", "d.csv: holds no rows; give it at least a step's worth."),
        ("question,answer,answer\na,1,2\n", "d.csv:1: names the column answer twice; rename one of them."),
        (
            "question;answer\na;1\n",
            "d.csv:1: has semicolons between its columns; save it with commas and call it .csv.",
        ),
        ("question\tanswer\na\t1\n", "d.csv:1: has tabs between its columns; call it .tsv."),
        (b"question\xff,answer\n", "d.csv:1: is not UTF-8 text; save it as UTF-8."),
        ("question,answer\n".encode("utf-16"), "d.csv: is not UTF-8 text; save it as UTF-8."),
        ('"question,answer\na,1\n', "d.csv:1: is not CSV (a quote that is not closed); mend it here."),
    ],
)
def test_a_file_that_is_no_table_gets_one_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert said(read(tmp_path, text), tmp_path) == [message]


def test_a_quote_that_is_not_closed_does_not_swallow_the_rest_in_silence(tmp_path: Path) -> None:
    rows = read(tmp_path, 'question,answer\na,1\n"b,2\nc,3\nd,4\n')
    assert said(rows, tmp_path) == ["d.csv:3: is not CSV (a quote that is not closed); mend it here."]


def test_an_index_without_a_name_is_left_out(tmp_path: Path) -> None:
    rows = read(tmp_path, ",question,answer\n0,a,1\n")
    assert rows.rows[0].columns == {"question": "a", "answer": "1"}


def test_a_cell_of_ten_megabytes_is_read_and_the_limit_of_others_stays(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    rows = read(tmp_path, f"question,answer\n{'x' * 10_000_000},1\nb,2\n", max_samples=1)
    assert len(rows.rows[0].question) == 10_000_000
    assert csv.field_size_limit() == before


def test_a_file_without_a_header_shows_its_first_row_as_the_columns(tmp_path: Path) -> None:
    rows = read(tmp_path, "What is 1+1?,2\nWhat is 2+2?,4\n")
    assert list(rows.columns) == ["What is 1+1?", "2"]
    assert (len(rows.rows), rows.bad) == (0, 1)
