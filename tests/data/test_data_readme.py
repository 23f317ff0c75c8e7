"""What data/README.md shows is what is read."""

import json
import re
from pathlib import Path

import pytest

from grpoctl.data.dataset_info import FoundEntry, find_entry
from grpoctl.data.guess import ANSWERS, PROMPTS
from grpoctl.data.rows import Row, read_rows

TEXT = (Path(__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with every file that the page shows, and the folder's `data`."""
    shown = re.findall(r"^`(data/[\w.]+)`:\n\n```\w+\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    (tmp_path / "data").mkdir()
    for name, text in shown:
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def rows_of(name: str) -> list[Row]:
    found = find_entry(name, Path("data"))
    assert isinstance(found, FoundEntry), found
    rows = read_rows(found.entry, found.folder)
    assert rows.findings == []
    return rows.rows


def test_every_entry_of_the_page_is_read_without_a_word(written: Path) -> None:
    entries = json.loads((written / "dataset_info.json").read_text())
    answers = {name: [row.answer for row in rows_of(name)] for name in entries}
    assert answers == {"my_alpaca": ["16", "x = 4"], "my_sharegpt": ["72"], "my_openai": ["49"], "my_table": ["9"]}
    assert rows_of("my_alpaca")[1].question == "Solve for x.\n2x + 3 = 11"
    assert rows_of("my_sharegpt")[0].system == "Be brief."
    assert rows_of("my_table")[0].question == "Add 2, 3 and 4."


def test_the_path_of_the_page_needs_no_entry(written: Path) -> None:
    assert "dataset: data/my_problems.jsonl\n" in TEXT
    assert [row.answer for row in rows_of("data/my_problems.jsonl")] == ["30", "12"]


def test_the_page_names_the_guessed_columns_in_their_order() -> None:
    words = " ".join(TEXT.split())
    for names in (PROMPTS, ANSWERS):
        listed = ", ".join(f"`{name}`" for name in names[:-1]) + f" or `{names[-1]}`"
        assert listed in words


def test_a_table_without_a_header_says_what_the_page_says(written: Path) -> None:
    lines = (written / "my_table.csv").read_text().splitlines(keepends=True)
    (written / "bare.csv").write_text("".join(lines[1:]) + '"Add 1, 2 and 3.",6\n')
    found = find_entry("bare.csv", Path("data"))
    assert isinstance(found, list)
    assert "has the columns Add 2, 3 and 4., 9, none known to be the question" in str(found[0])
