from pathlib import Path

import pytest

from grpoctl.data.files import find_files, has_split, kind_of
from grpoctl.errors import DataError


def folder_of(tmp_path: Path, *names: str) -> Path:
    for name in names:
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_text("[]")
    (tmp_path / "d").mkdir(exist_ok=True)
    return tmp_path / "d"


def fault_of(folder: Path, split: str = "train") -> str:
    with pytest.raises(DataError) as caught:
        find_files(folder, split)
    return str(caught.value).replace(f"{folder.parent}/", "")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.json", "JSON"), ("a.JSONL", "JSON"), ("a.jsonl.gz", "JSON"), ("a.csv", "CSV"), ("a.tsv.gz", "TSV"),
        ("a.parquet", "Parquet"), ("a.parquet.gz", None), ("a.arrow", "Arrow"), ("a.md", None), ("a", None),
        (".json", None), ("a.gz", None),
    ],
)  # fmt: skip
def test_the_kind_follows_from_the_ending(name: str, kind: str | None) -> None:
    assert kind_of(Path(name)) == kind


@pytest.mark.parametrize(
    ("names", "split", "chosen"),
    [
        (("b.jsonl", "a.jsonl"), "train", ["a.jsonl", "b.jsonl"]),
        (("train.jsonl", "test.jsonl"), "train", ["train.jsonl"]),
        (("train.jsonl", "test.jsonl"), "test", ["test.jsonl"]),
        (("train-00001-of-00002.parquet", "train-00000-of-00002.parquet", "test-00000-of-00001.parquet"), "train",
         ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]),
        (("train_1.csv", "train_0.csv", "train_sft.csv"), "train", ["train_0.csv", "train_1.csv"]),
        (("train_sft.jsonl.gz", "test_sft.jsonl.gz"), "train", ["train_sft.jsonl.gz"]),
        (("training.jsonl", "trainers.jsonl"), "train", ["trainers.jsonl", "training.jsonl"]),
        (("train.json", "test.csv"), "train", ["train.json"]),
        (("a.json", "README.md", "dataset_info.json", ".hidden.json", "LICENSE"), "train", ["a.json"]),
        (("data/train.json", "README.md"), "train", ["data/train.json"]),
        (("v1.5.json", "v1.json"), "v1.5", ["v1.5.json"]),
    ],
)  # fmt: skip
def test_the_files_of_a_split_are_told_by_their_names(
    tmp_path: Path, names: tuple[str, ...], split: str, chosen: list[str]
) -> None:
    folder = folder_of(tmp_path, *names)
    assert [str(path.relative_to(folder)) for path in find_files(folder, split)] == chosen


@pytest.mark.parametrize(
    ("names", "split", "message"),
    [
        ((), "train",
         "d: is an empty folder; put files there that end in .json, .jsonl, .csv, .tsv, .parquet, .arrow."),
        (("a.md", "b.zip"), "train",
         "d: has no data files, but a.md, b.zip; put files there that end in .json, .jsonl, .csv, .tsv, .parquet, "
         ".arrow."),
        (("main/train.json", "socratic/train.json"), "train",
         "d: has no data files, but the folders main, socratic; name one of them."),
        (("a.json", "b.csv"), "train", "d: holds CSV and JSON files; keep one kind in it, or name one file."),
        # all of them would be the problems to evaluate on among those to train on
        (("train.json", "test.json"), "validation",
         'd: has no files of the split validation, but of test, train; name one in its entry, as in "split": "test", '
         "or behind its path, as in FOLDER:test."),
        (("a.jsonl", "a.jsonl.gz"), "train", "d: holds a.jsonl packed and unpacked; keep one of them."),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_data_set_says_why(
    tmp_path: Path, names: tuple[str, ...], split: str, message: str
) -> None:
    folder = folder_of(tmp_path, *names)
    assert fault_of(folder, split) == message.replace("FOLDER", "d")


@pytest.mark.parametrize("state", ["{", "[]", "{}", '{"_data_files": [{"filename": "../x"}]}', '{"_data_files": 3}'])
def test_a_saved_folder_that_names_no_files_of_its_own_is_refused(tmp_path: Path, state: str) -> None:
    folder = folder_of(tmp_path, "a.arrow")
    (folder / "state.json").write_text(state)
    assert fault_of(folder).startswith("d/state.json: ")


def test_a_folder_that_links_to_itself_ends(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.json")
    (folder / "again").symlink_to(folder)
    (folder / "loop.json").symlink_to("loop.json")
    assert [path.name for path in find_files(folder, "train")] == ["a.json", "loop.json"]


def test_a_saved_folder_has_the_split_that_it_was_taken_from(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "data.arrow")
    for noted, has in (('"test"', "test"), ("null", "train")):
        (folder / "state.json").write_text(f'{{"_split": {noted}}}')
        assert [split for split in ("train", "test") if has_split(folder, split)] == [has]
