import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from grpoctl.data.entry import Columns, DatasetEntry
from grpoctl.data.rows import Rows, read_rows


def read(folder: Path, name: str, max_samples: int | None = None, **entry: Any) -> Rows:
    entry.setdefault("columns", Columns(prompt="question", answer="answer"))
    return read_rows(DatasetEntry(file_name=name, **entry), folder, max_samples)


def said(rows: Rows, tmp_path: Path) -> list[str]:
    return [str(finding).replace(f"{tmp_path}/", "") for finding in rows.findings]


def write_stream(path: Path, table: Any) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def write_file(path: Path, table: Any) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


QUESTIONS = pa.table({"question": ["a?", "b?", "c?"], "answer": ["1", None, "3"]})


def test_rows_of_binary_files_are_named_by_their_number(tmp_path: Path) -> None:
    pq.write_table(QUESTIONS, tmp_path / "d.parquet")
    write_stream(tmp_path / "d.arrow", QUESTIONS)
    for name in ("d.parquet", "d.arrow"):
        rows = read(tmp_path, name)
        assert [(row.question, row.answer) for row in rows.rows] == [("a?", "1"), ("c?", "3")]
        assert said(rows, tmp_path) == [f"{name}: row 2 has no text or number in answer, the gold answer; give it one."]
        assert len(read(tmp_path, name, max_samples=1).rows) == 1


def test_an_arrow_file_is_read_as_well_as_a_stream(tmp_path: Path) -> None:
    write_file(tmp_path / "file.arrow", QUESTIONS)
    write_stream(tmp_path / "stream.arrow", QUESTIONS)
    assert read(tmp_path, "file.arrow").rows == read(tmp_path, "stream.arrow").rows


def test_conversations_are_lists_of_structs(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "6*12?"}, {"role": "assistant", "content": "#### 72"}]
    pq.write_table(pa.table({"messages": [turns, []]}), tmp_path / "d.parquet")
    rows = read(tmp_path, "d.parquet", formatting="openai", columns=Columns(messages="messages"))
    assert [(row.question, row.answer) for row in rows.rows] == [("6*12?", "72")]
    assert "row 2 has no list of turns in messages" in said(rows, tmp_path)[0]


def test_values_that_json_lacks_come_as_text_or_stay_out(tmp_path: Path) -> None:
    moment = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    table = pa.table(
        {
            "question": ["when?"],
            "answer": [date(2024, 1, 2)],
            "at": pa.array([moment], pa.timestamp("ns", "UTC")),
            "took": [timedelta(seconds=90)],
            "price": [Decimal("1.50")],
            "picture": [{"bytes": b"\x89PNG", "path": "a.png"}],
            "raw": [b"\x00"],
            "pairs": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
            "level": pa.array(["hard"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "d.parquet")
    (row,) = read(tmp_path, "d.parquet").rows
    assert row.answer == "2024-01-02"
    assert row.columns == {
        "question": "when?",
        "answer": "2024-01-02",
        "at": "2024-05-06T07:08:09+00:00",
        "took": "0:01:30",
        "price": "1.50",
        "picture": {"path": "a.png"},
        "pairs": [["a", 1]],
        "level": "hard",
    }


def test_numbers_are_answers_unless_they_are_none(tmp_path: Path) -> None:
    table = pa.table({"question": ["a", "b", "c"], "answer": [72.0, float("nan"), 2.5]})
    pq.write_table(table, tmp_path / "d.parquet")
    rows = read(tmp_path, "d.parquet")
    assert [row.answer for row in rows.rows] == ["72", "2.5"]
    assert rows.bad == 1


@pytest.mark.parametrize("name", ["d.parquet", "d.arrow"])
def test_a_file_that_is_cut_short_gets_one_line(tmp_path: Path, name: str) -> None:
    write = pq.write_table if name == "d.parquet" else lambda table, path: write_stream(path, table)
    write(QUESTIONS, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    kind = "Parquet" if name == "d.parquet" else "Arrow"
    for raw in (b"", whole[:20], whole[: len(whole) // 2], whole[:-8], whole[8:], b"no such thing" * 50):
        (tmp_path / name).write_bytes(raw)
        rows = read(tmp_path, name)
        assert rows.rows == []
        (finding,) = said(rows, tmp_path)
        assert finding.startswith(f"{name}: is no whole {kind} file (")
        assert finding.endswith("); copy it again.")


def test_a_damaged_page_is_told_and_not_raised(tmp_path: Path) -> None:
    pq.write_table(QUESTIONS, tmp_path / "d.parquet", compression="none", use_dictionary=False)
    raw = bytearray((tmp_path / "d.parquet").read_bytes())
    raw[20:60] = b"\xff" * 40
    (tmp_path / "d.parquet").write_bytes(raw)
    (finding,) = said(read(tmp_path, "d.parquet"), tmp_path)
    assert finding.startswith("d.parquet: is no whole Parquet file (")


def test_a_column_given_twice_is_refused(tmp_path: Path) -> None:
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["1"]), pa.array(["2"])], ["question", "answer", "answer"])
    pq.write_table(twice, tmp_path / "d.parquet")
    write_stream(tmp_path / "d.arrow", twice)
    for name in ("d.parquet", "d.arrow"):
        message = f"{name}: names the column answer twice; rename one of them."
        assert said(read(tmp_path, name), tmp_path) == [message]


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    message = "gone.parquet: is not there; check file_name in dataset_info.json."
    assert said(read(tmp_path, "gone.parquet"), tmp_path) == [message]


def test_without_pyarrow_there_is_one_line_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(QUESTIONS, tmp_path / "d.parquet")
    for module in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert said(read(tmp_path, "d.parquet"), tmp_path) == [
        "d.parquet: is Parquet, and this Python lacks pyarrow; pip install pyarrow, or convert it to JSONL."
    ]


def test_what_datasets_saves_is_read_without_it(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    rows = [{"question": f"{n}?", "answer": str(n)} for n in range(10)]
    saved = datasets.Dataset.from_list(rows)
    saved.save_to_disk(tmp_path / "one", num_shards=3)
    (tmp_path / "one" / "cache-0123.arrow").write_bytes(b"left over by a map()")
    datasets.DatasetDict(train=saved, test=saved.select(range(2))).save_to_disk(tmp_path / "two")
    assert [row.columns for row in read(tmp_path, "one").rows] == rows
    assert len(read(tmp_path, "two").rows) == 10
    assert len(read(tmp_path, "two", split="test").rows) == 2
    assert said(read(tmp_path, "two", split="dev"), tmp_path) == [
        'two: has no split dev, but train, test; name one in its entry, as in "split": "train", or behind its path, '
        "as in two:train."
    ]
