import gzip
import json
import os
from pathlib import Path

import pytest

from grpoctl.data import texts
from grpoctl.data.entry import Columns, DatasetEntry
from grpoctl.data.rows import Rows, read_rows

LINE = b'{"question": "1+1?", "answer": 2}\n'


def read(tmp_path: Path, raw: bytes, name: str) -> Rows:
    (tmp_path / name).write_bytes(raw)
    columns = Columns(prompt="question", answer="answer")
    return read_rows(DatasetEntry(file_name=name, columns=columns), tmp_path)


def said(rows: Rows, tmp_path: Path) -> list[str]:
    return [str(finding).replace(f"{tmp_path}/", "") for finding in rows.findings]


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("d.jsonl.gz", LINE * 3),
        ("d.json.gz", b"[" + b",".join([LINE] * 3) + b"]"),
        ("d.csv.gz", b"question,answer\n" + b"1+1?,2\n" * 3),
        ("d.tsv.gz", b"question\tanswer\n" + b"1+1?\t2\n" * 3),
    ],
)
def test_packed_files_read_as_unpacked_ones(tmp_path: Path, name: str, raw: bytes) -> None:
    rows = read(tmp_path, gzip.compress(raw), name)
    assert (len(rows.rows), rows.findings) == (3, [])
    # a browser may have unpacked it and kept the name
    assert read(tmp_path, raw, name).rows == rows.rows


def test_a_packed_file_that_is_cut_short_or_damaged_gets_one_line(tmp_path: Path) -> None:
    packed = gzip.compress(LINE * 1000)
    cut = read(tmp_path, packed[:-12], "d.jsonl.gz")
    assert said(cut, tmp_path) == ["d.jsonl.gz: is a gzip file that is cut short; copy it again."]
    swapped = packed[:20] + bytes(byte ^ 0xFF for byte in packed[20:24]) + packed[24:]
    (damaged,) = said(read(tmp_path, swapped, "d.jsonl.gz"), tmp_path)
    assert damaged.startswith("d.jsonl.gz: is a damaged gzip file (")


def test_a_packed_file_may_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(LINE * 5000)  # 170 KB in less than 1 KB
    assert len(read(tmp_path, packed, "d.jsonl.gz").rows) == 5000
    for name, value, size in (("MAX_UNPACKED", 100_000, "0.0001"), ("_A_LITTLE", 150_000, "0.00015")):
        with monkeypatch.context() as patch:
            patch.setattr(texts, name, value)
            rows = read(tmp_path, packed, "d.jsonl.gz")
        message = f"d.jsonl.gz: unpacks to more than {size} GB; unpack it, or use a part of it."
        assert said(rows, tmp_path) == [message]
    assert len(read(tmp_path, LINE * 5000, "d.jsonl").rows) == 5000  # what lies on the disk is there already


def test_neither_a_line_nor_a_list_may_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MAX_LINE", 1 << 20)
    monkeypatch.setattr(texts, "MAX_WHOLE", 1 << 20)
    for name, message in (
        ("d.jsonl", "d.jsonl:1: has a line of more than 64 MB; write one row a line."),
        ("d.csv", "d.csv:1: has a line of more than 64 MB; write one row a line."),
        ("d.json", "d.json: is one list of more than 0.5 GB; write it as JSONL, one row a line."),
    ):
        with (tmp_path / name).open("wb") as stream:
            stream.write(b"[" if name == "d.json" else b"x")
            stream.truncate(1 << 40)  # a sparse file: a terabyte of NUL that takes no room
        assert said(read_rows(DatasetEntry(file_name=name), tmp_path), tmp_path) == [message]


def test_a_line_of_ten_megabytes_is_a_row(tmp_path: Path) -> None:
    rows = read(tmp_path, json.dumps({"question": "x" * 10_000_000, "answer": 1}).encode(), "d.jsonl")
    assert len(rows.rows[0].question) == 10_000_000


def test_a_mark_and_windows_line_ends_are_no_part_of_a_row(tmp_path: Path) -> None:
    rows = read(tmp_path, b"\xef\xbb\xbf" + LINE.replace(b"\n", b"\r\n") * 2 + b"\r\n", "d.jsonl")
    assert (len(rows.rows), rows.findings) == (2, [])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b'{"question": "caf\xe9", "answer": 1}', "is not UTF-8 text; save the file as UTF-8."),
        (b"\0" * 50, "is not JSON (Expecting value); mend it here."),
        (b'{"question": "a\0", "answer": 1}', "is not JSON (Invalid control character at); mend it here."),
        (b'{"a": ' * 100_000, "is not JSON (maximum recursion depth exceeded"),
    ],
)
def test_a_line_that_is_no_text_spoils_only_itself(tmp_path: Path, bad: bytes, message: str) -> None:
    rows = read(tmp_path, LINE + bad + b"\n" + LINE, "d.jsonl")
    assert len(rows.rows) == 2
    (finding,) = said(rows, tmp_path)
    assert finding.startswith(f"d.jsonl:2: row 2 {message}")


def test_a_list_that_is_not_utf8_is_named_by_its_line(tmp_path: Path) -> None:
    rows = read(tmp_path, b"[" + LINE + b',{"question": "\xe9"}]', "d.json")
    assert said(rows, tmp_path) == ["d.json:2: is not UTF-8 text; save it as UTF-8."]


@pytest.mark.parametrize("name", ["d.jsonl", "d.csv", "d.parquet", "d.arrow", "d.json.gz"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    rows = read_rows(DatasetEntry(file_name=name), tmp_path)
    assert said(rows, tmp_path) == [f"{name}: is no file; name a file, or a folder of files."]


def test_a_link_to_itself_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").symlink_to("d.jsonl")
    (finding,) = said(read_rows(DatasetEntry(file_name="d.jsonl"), tmp_path), tmp_path)
    assert finding.startswith("d.jsonl: cannot be read (Too many levels of symbolic links)")
