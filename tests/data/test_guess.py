import json
from pathlib import Path
from typing import Any

import pytest

from grpoctl.data.guess import Guess, guess_entry
from grpoctl.data.rows import read_rows
from grpoctl.errors import DataError


def guess(tmp_path: Path, *rows: Any, name: str = "d.jsonl") -> Guess:
    (tmp_path / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return guess_entry(tmp_path / name, "train", tmp_path / "dataset_info.json")


USER, ASSISTANT = {"role": "user", "content": "6*12?"}, {"role": "assistant", "content": "#### 72"}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"question": "a?", "answer": "1"}, {"prompt": "question", "answer": "answer"}),
        ({"problem": "a?", "solution": "x", "answer": "1", "level": 5}, {"prompt": "problem", "answer": "answer"}),
        ({"query": "a?", "response": "1"}, {"prompt": "query", "answer": "response"}),
        ({"query": "a?", "input": "b?", "target": 3}, {"prompt": "input", "answer": "target"}),
        ({"prompt": "a?", "completion": "1", "system": "s"},
         {"prompt": "prompt", "answer": "completion", "system": "system"}),
        ({"instruction": "a?", "input": "b", "output": "1", "history": []},
         {"prompt": "instruction", "answer": "output", "query": "input", "history": "history"}),
        # an answer that is no text is passed over for one that is
        ({"question": "a?", "answer": {"value": "1"}, "solution": "1"}, {"prompt": "question", "answer": "solution"}),
        ({"messages": [USER, ASSISTANT]}, {"formatting": "openai", "messages": "messages"}),
        ({"prompt": [USER], "answer": "72"}, {"formatting": "openai", "messages": "prompt", "answer": "answer"}),
        ({"conversations": [{"from": "human", "value": "6*12?"}, {"from": "gpt", "value": "72"}]},
         {"formatting": "sharegpt", "messages": "conversations"}),
        ({"conversations": [{"from": "user", "value": "6*12?"}, {"from": "assistant", "value": "72"}]},
         {"formatting": "sharegpt", "messages": "conversations"}),
        ({"conversations": [{"role": "human", "value": "6*12?"}, {"role": "gpt", "value": "72"}]},
         {"formatting": "openai", "messages": "conversations"}),
    ],
)  # fmt: skip
def test_columns_of_the_usual_names_are_found(tmp_path: Path, row: dict[str, Any], told: dict[str, str]) -> None:
    found = guess(tmp_path, row)
    assert found.told == told
    rows = read_rows(found.entry, tmp_path)
    assert (len(rows.rows), rows.findings) == (1, [])


def test_a_column_that_the_first_rows_lack_is_found_in_the_next(tmp_path: Path) -> None:
    found = guess(tmp_path, "no object", {"question": None, "answer": "1"}, {"question": "a?", "answer": "2"})
    assert found.told == {"prompt": "question", "answer": "answer"}


def test_bad_rows_alone_are_left_to_those_who_read_them(tmp_path: Path) -> None:
    found = guess(tmp_path, 1, 2)
    assert found.told == {}
    assert read_rows(found.entry, tmp_path).bad == 2


@pytest.mark.parametrize(
    ("row", "lacking", "columns"),
    [
        ({"text": "a?", "label": 1}, "the question", {"prompt": "…", "answer": "…"}),
        ({"question": "a?", "label": 1}, "the gold answer", {"prompt": "question", "answer": "…"}),
    ],
)
def test_where_nothing_fits_the_entry_to_write_is_shown(
    tmp_path: Path, row: dict[str, Any], lacking: str, columns: dict[str, str]
) -> None:
    with pytest.raises(DataError) as caught:
        guess(tmp_path, row)
    (finding,) = caught.value.findings
    assert finding.problem == f"has the columns {', '.join(row)}, none known to be {lacking}"
    entry = json.dumps({"file_name": "d.jsonl", "columns": columns}, ensure_ascii=False)
    assert finding.fix == f'write "d": {entry} into {tmp_path}/dataset_info.json, and its name into the recipe'
    json.loads(f'{{"d": {entry}}}')


def test_a_csv_file_without_a_header_is_told_to_have_one(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("What is 1+1?,2\nWhat is 2+2?,4\n")
    with pytest.raises(DataError) as caught:
        guess_entry(tmp_path / "d.csv", "train", tmp_path / "dataset_info.json")
    assert "has the columns What is 1+1?, 2, none known" in str(caught.value)
    assert "its first line has to name them" in str(caught.value)
