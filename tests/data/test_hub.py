from pathlib import Path

import pytest

from grpoctl.data.entry import DatasetEntry
from grpoctl.data.hub import fetched_file, local_copy

GSM8K = DatasetEntry(hf_hub_url="openai/gsm8k", subset="main")


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("mine/train.jsonl", "mine"),
        ("gsm8k/train.jsonl", "gsm8k"),
        ("gsm8k/main/train-00000-of-00001.parquet", "gsm8k/main"),  # as the hub has it
        ("gsm8k/data/train.parquet", "gsm8k/data"),
        ("gsm8k/test.jsonl", None),
        ("gsm8k/rows.jsonl", None),  # nothing says of which split they are
        ("other/train.jsonl", None),
    ],
)
def test_a_copy_is_found_beside_the_users_data(tmp_path: Path, file: str, found: str | None) -> None:
    put(tmp_path / file)
    expected = None if found is None else tmp_path / found
    assert local_copy(GSM8K, "mine", tmp_path, str(tmp_path / "cache")) == expected


def test_the_data_folder_may_itself_be_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "gsm8k" / "train.jsonl")
    folder, cache = tmp_path / "gsm8k", str(tmp_path / "cache")
    assert local_copy(GSM8K, "mine", folder, cache) == folder
    monkeypatch.chdir(folder)
    assert local_copy(GSM8K, "mine", Path(), cache) == Path()
    assert local_copy(DatasetEntry(hf_hub_url="a/b"), "mine", folder, cache) is None


def test_what_was_fetched_is_kept_by_subset_folder_and_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    kept = tmp_path / "grpoctl" / "datasets" / "openai--gsm8k"
    assert fetched_file(GSM8K) == kept / "main" / "train.jsonl"
    plain = DatasetEntry(hf_hub_url="openai/gsm8k", split="test", folder="a/b")
    assert fetched_file(plain) == kept / "default--a--b" / "test.jsonl"
    # a cache folder that the recipe names is not left for the one above it
    assert fetched_file(GSM8K, "/own") == Path("/own/grpoctl/datasets/openai--gsm8k/main/train.jsonl")
    assert local_copy(GSM8K, "mine", tmp_path) is None
    put(fetched_file(GSM8K))
    assert local_copy(GSM8K, "mine", tmp_path) == fetched_file(GSM8K)
