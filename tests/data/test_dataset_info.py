import json
from pathlib import Path

import pytest

from grpoctl.data.dataset_info import DatasetEntry, FoundEntry, find_entry


def said(tmp_path: Path, entry: object, name: str = "mine") -> list[str]:
    (tmp_path / "dataset_info.json").write_text(json.dumps({"mine": entry}, indent=1))
    found = find_entry(name, tmp_path)
    assert isinstance(found, list), found
    return [str(finding).replace(f"{tmp_path}/", "") for finding in found]


def test_a_users_entry_is_found_with_its_folder_and_lines(tmp_path: Path) -> None:
    text = '{\n"mine": {"file_name": "a.json",\n"columns": {"prompt": "q", "answer": "a"}}}'
    (tmp_path / "dataset_info.json").write_text(text)
    found = find_entry("mine", tmp_path)
    assert isinstance(found, FoundEntry)
    assert found.folder == tmp_path
    assert (found.entry.columns.prompt, found.entry.columns.answer) == ("q", "a")
    assert found.entry.columns.response is None  # giving columns leaves out every one that is not listed
    assert found.at(("columns", "prompt")) == (str(tmp_path / "dataset_info.json"), 3)


def test_a_name_that_the_user_lacks_comes_from_grpoctls_own_data(tmp_path: Path) -> None:
    found = find_entry("my_math_data", tmp_path)
    assert isinstance(found, FoundEntry)
    assert found.entry.columns.prompt == "instruction"


def test_an_unknown_name_suggests_the_nearest(tmp_path: Path) -> None:
    found = find_entry("my_mat_data", tmp_path)
    assert isinstance(found, list)
    assert str(found[0]) == "dataset: names my_mat_data, which no dataset_info.json has; did you mean my_math_data?"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        # json.dumps gives line 2 to the name and line 3 to its first key
        # LLaMA-Factory reads this as alpaca without a word
        ({"file_name": "a", "format": "sharegpt"}, "4: format: is no key; did you mean formatting?"),
        ({"file_name": "a", "columns": {"promt": "q"}}, "5: columns.promt: is no key; did you mean prompt?"),
        ({"file_name": "a", "ranking": True},
         "4: ranking: holds preference pairs; use a data set of questions with answers."),
        ({"file_name": "a", "columns": {"prompt": "q", "tools": "t"}},
         "6: columns.tools: is not taken here; prompts have no tools."),
        ({"file_name": "a", "formatting": "sharegpt", "tags": {}},
         "4: formatting: is sharegpt; convert the rows to alpaca, which this version reads."),
        ({"file_name": "a", "columns": {"answer": "final"}},
         '4: columns: leaves out the question; add "prompt": "instruction", or whatever the column is called.'),
        ({"file_name": "a", "columns": {"prompt": "q"}},
         '4: columns: leaves out the gold answer; add "answer": and the name of its column.'),
        ({"script_url": "x"}, "3: script_url: runs code from the network; use file_name or hf_hub_url."),
        ({"subset": "main"}, "2: mine: names no file_name and no hf_hub_url; add one."),
        ({"file_name": 3}, '3: file_name: is 3; write "3" in quotes.'),
        ({"file_name": "a", "num_samples": 0}, "4: num_samples: is 0; use 1 or more."),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_refused_with_its_line(tmp_path: Path, entry: object, message: str) -> None:
    (finding,) = said(tmp_path, entry)
    assert finding == f"dataset_info.json:{message}"


def test_an_entry_that_is_no_mapping_and_a_file_that_is_no_mapping_are_refused(tmp_path: Path) -> None:
    assert said(tmp_path, "a.json") == ['dataset_info.json:2: mine: is no mapping; write "mine": {"file_name": …}.']
    (tmp_path / "dataset_info.json").write_text("[1, 2]")
    found = find_entry("mine", tmp_path)
    assert isinstance(found, list)
    assert "holds no data sets" in str(found[0])


def test_llama_factorys_other_hubs_are_let_pass() -> None:
    entry = DatasetEntry(hf_hub_url="a/b", ms_hub_url="c/d", om_hub_url="e/f")
    assert entry.formatting == "alpaca"


def test_what_llama_factory_could_not_read_is_refused_here_too(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text("{'mine': {'file_name': 'a.json'}}")
    found = find_entry("mine", tmp_path)
    assert isinstance(found, list)
    assert "dataset_info.json:1: is not JSON (Expecting property name" in str(found[0])


def test_a_data_set_or_key_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text('{"mine": {"file_name": "a"},\n"mine": {"file_name": "b"}}')
    found = find_entry("mine", tmp_path)
    assert isinstance(found, list)
    assert [(finding.line, finding.problem) for finding in found] == [(2, "is given twice, first on line 1")]


def test_an_emoji_as_json_writes_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "🎲.json"}}))
    found = find_entry("mine", tmp_path)
    assert isinstance(found, FoundEntry)
    assert found.entry.file_name == "🎲.json"
