"""Which files make up a data set, when a file or a folder is named?

A folder is one that `datasets` saved (save_to_disk), one of those for each split, or one of plain files.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from grpoctl.errors import DataError, Finding
from grpoctl.paths import is_file, is_folder

_KINDS = {
    ".json": "JSON",
    ".jsonl": "JSON",
    ".csv": "CSV",
    ".tsv": "TSV",
    ".parquet": "Parquet",
    ".arrow": "Arrow",
}
_PACKABLE = ("JSON", "CSV", "TSV")
# Files that lie beside data and hold none.
_ABOUT = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
_SPLITS = ("train", "test", "validation", "valid", "val", "dev", "eval")


def kind_of(path: Path) -> str | None:
    """JSON, CSV, TSV, Parquet or Arrow by the ending; None for any other."""
    name = path.name.lower()
    kind = _KINDS.get(Path(name.removesuffix(".gz")).suffix)
    return None if name.endswith(".gz") and kind not in _PACKABLE else kind


def find_files(path: Path, split: str) -> list[Path]:
    """The file, or those of a folder's split in the order of their names; DataError where they make no data set."""
    if not is_folder(path):
        return [path]
    if is_file(path / "dataset_dict.json"):
        return _saved(_folder_of_split(path, split))
    if is_file(path / "state.json"):
        return _saved(path)
    files = _data_files(path)
    if not files and is_folder(path / "data"):  # where the hub's data sets have theirs
        files = _data_files(path / "data")
    if not files:
        raise _fault(path, *_no_files(path))
    chosen = _of_split(files, split)
    others = sorted({name for name in _SPLITS if _of_split(files, name)})
    if not chosen and others:
        raise _fault(path, f"has no files of the split {split}, but of {', '.join(others)}", _name_split(path, others))
    return _alike(chosen or files, path)


def has_split(folder: Path, split: str) -> bool:
    """Whether a folder says by its own files or their names that it has the split."""
    if is_file(folder / "dataset_dict.json"):
        return is_file(folder / split / "state.json")
    if is_file(folder / "state.json"):
        state = _read_json(folder / "state.json")
        return (state.get("_split") or "train") == split
    return bool(_of_split(_data_files(folder), split))


def _folder_of_split(path: Path, split: str) -> Path:
    splits = _read_json(path / "dataset_dict.json").get("splits")
    names = [name for name in splits if isinstance(name, str)] if isinstance(splits, list) else []
    if split not in names or not is_file(path / split / "state.json"):
        raise _fault(path, f"has no split {split}, but {', '.join(names) or 'none'}", _name_split(path, names))
    return path / split


def _name_split(path: Path, splits: Sequence[str]) -> str:
    one = next(iter(splits), "test")
    return f'name one in its entry, as in "split": "{one}", or behind its path, as in {path}:{one}'


def _saved(path: Path) -> list[Path]:
    """The Arrow files of a saved data set, in the order that it has noted."""
    listed = _read_json(path / "state.json").get("_data_files")
    names = [each.get("filename") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise _fault(path / "state.json", "names no data files", "save the data set again with save_to_disk")
    return [path / str(name) for name in names]


def _data_files(folder: Path) -> list[Path]:
    try:
        names = sorted(each.name for each in folder.iterdir())
    except OSError as error:
        raise _fault(folder, f"cannot be read ({error.strerror})", "allow it, or copy its files") from None
    return [
        folder / name
        for name in names
        if kind_of(Path(name)) and not name.startswith(".") and name not in _ABOUT and not is_folder(folder / name)
    ]


def _of_split(files: Sequence[Path], split: str) -> list[Path]:
    """`train.jsonl` and its shards (`train-00000-of-00002`, `train_1`), or else what begins with the split's name."""
    shard = re.compile(rf"{re.escape(split)}([-_.]?\d+([-_.]of[-_.]\d+)?)?")
    begins = re.compile(rf"{re.escape(split)}(?![A-Za-z])")
    stems = {path: Path(path.name.removesuffix(".gz")).stem for path in files}
    return [path for path in files if shard.fullmatch(stems[path])] or [
        path for path in files if begins.match(stems[path])
    ]


def _alike(files: list[Path], folder: Path) -> list[Path]:
    kinds = sorted({kind_of(path) or "" for path in files})
    if len(kinds) > 1:
        raise _fault(folder, f"holds {' and '.join(kinds)} files", "keep one kind in it, or name one file")
    names = {path.name for path in files}
    for name in sorted(names):
        if f"{name}.gz" in names:
            raise _fault(folder, f"holds {name} packed and unpacked", "keep one of them")
    return files


def _no_files(folder: Path) -> tuple[str, str]:
    """Problem and fix of a folder without data files."""
    inner = _names(each.name for each in folder.iterdir() if is_folder(each) and not each.name.startswith("."))
    if inner:
        return f"has no data files, but the folders {inner}", "name one of them"
    ending = f"put files there that end in {', '.join(_KINDS)}"
    others = _names(each.name for each in folder.iterdir())
    return (f"has no data files, but {others}", ending) if others else ("is an empty folder", ending)


def _names(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:6]) + (", …" if len(found) > 6 else "")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise _fault(path, "is not JSON", "save the data set again with save_to_disk") from None
    return value if isinstance(value, dict) else {}


def _fault(path: Path, problem: str, fix: str) -> DataError:
    return DataError(Finding(problem, fix, file=str(path)))
