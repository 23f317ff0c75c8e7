"""Which pictures does a data set's name stand for: MNIST, scikit-learn's digits, or a folder of IDX files?

A picture is named by its address: a file and its number in it, `train-images-idx3-ubyte.gz#17`.
"""

import csv
import gzip
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from grpoctl.data.named_path import locate
from grpoctl.data.rows import Row
from grpoctl.digits.idx import PIXELS, read_labels, read_pictures
from grpoctl.errors import DataError, Finding, nearest
from grpoctl.packages import missing_packages
from grpoctl.paths import is_file, is_folder, user_path

MNIST, SMALL = "mnist", "digits"
SPLITS = {"train": ("train",), "test": ("t10k", "test")}

# scikit-learn has them in the order of their writers: the last ones wrote none of the others.
_SMALL_TRAIN = 1437
# 8 x 8 pixels and the digit.
_SMALL_COLUMNS = 65


@dataclass(frozen=True)
class DigitSet:
    """Pictures and their labels on this machine. `first` is the number of its first picture in the file."""

    pictures: Path
    labels: Path
    first: int = 0
    count: int | None = None  # None: to the end
    stands_for: str | None = None  # the name of the set in whose place this one was taken

    def rows(self) -> list[Row]:
        """A row a picture, whose question is its address; DataError where the files do not hold what they should."""
        labels = _labels(self.labels)
        if self.labels != self.pictures and len(pictures_of(self.pictures)) != PIXELS * len(labels):
            held = f"holds {len(pictures_of(self.pictures)) // PIXELS:,} pictures"
            fix = "put the two that belong together there"
            problem = f"{held}, and {self.labels.name} {len(labels):,} labels"
            raise DataError(Finding(problem, fix, file=str(self.pictures)))
        end = len(labels) if self.count is None else self.first + self.count
        return [Row(address(self.pictures, number), str(labels[number])) for number in range(self.first, end)]

    @property
    def files(self) -> list[Path]:
        return list(dict.fromkeys((self.pictures, self.labels)))


def address(pictures: Path, number: int) -> str:
    return f"{pictures}#{number}"


def find_set(name: str, dataset_dir: Path, cache_dir: str | None = None) -> DigitSet | Finding | None:
    """The set of that name, what is wrong with it, or None where it has to be fetched first."""
    word, _, split = name.partition(":")
    if word in (MNIST, SMALL):
        split = split or "train"
        if split not in SPLITS:
            return Finding(f"names the split {split}", f"use {word}:train or {word}:test", key="dataset")
        return _mnist(split, cache_dir) if word == MNIST else _small(split) or _no_small()
    named = locate(name, dataset_dir)
    if named is None or not is_folder(named.path):
        fix = f"did you mean {close}?" if (close := nearest(word, (MNIST, SMALL))) else "check the path"
        return Finding(f"names {name[:200]}, and no such folder of IDX files is here", fix, key="dataset")
    return idx_folder(named.path, named.split or "train")


def files_of_digits(names: Iterable[str], dataset_dir: Path, cache_dir: str | None = None) -> list[Path]:
    """The files of data sets that are on this machine."""
    found = [find_set(name, dataset_dir, cache_dir) for name in names]
    return list(dict.fromkeys(file for each in found if isinstance(each, DigitSet) for file in each.files))


def idx_folder(folder: Path, split: str) -> DigitSet | Finding:
    """The two files of a split, packed or not, under MNIST's own names."""
    begins = SPLITS.get(split, (split,))
    pictures, labels = (_file(folder, begins, rest) for rest in ("images[-.]idx3", "labels[-.]idx1"))
    if pictures is None or labels is None:
        has = [each for each, names in SPLITS.items() if _file(folder, names, "images[-.]idx3") is not None]
        lacks = "pictures" if pictures is None else "labels"
        fix = f"it has the split {has[0]}" if pictures is None and has else "fetch them"
        wanted = f"{begins[0]}-{'images-idx3' if pictures is None else 'labels-idx1'}-ubyte"
        return Finding(f"has no {lacks} of the split {split} ({wanted}, .gz or not)", fix, file=str(folder))
    return DigitSet(pictures, labels)


def mnist_folder(cache_dir: str | None) -> Path:
    """Where torchvision is told to keep MNIST."""
    root = user_path(cache_dir) if cache_dir is not None else user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return root if cache_dir is not None else root / "grpoctl"


def _mnist(split: str, cache_dir: str | None) -> DigitSet | Finding | None:
    kept = idx_folder(mnist_folder(cache_dir) / "MNIST" / "raw", split)
    if isinstance(kept, DigitSet):
        return kept
    if not missing_packages(("torchvision",)):
        return None
    small = _small(split)
    if small is None:
        fix = "install one of them, or name a folder of IDX files"
        return Finding("is mnist, and neither torchvision nor scikit-learn is here", fix, key="dataset")
    return DigitSet(small.pictures, small.labels, small.first, small.count, stands_for=f"{MNIST}:{split}")


def _small(split: str) -> DigitSet | None:
    """Found without importing scikit-learn, which takes a second."""
    found = importlib.util.find_spec("sklearn")
    for place in (found.submodule_search_locations or []) if found is not None else []:
        file = Path(place) / "datasets" / "data" / "digits.csv.gz"
        if is_file(file):
            first, count = (0, _SMALL_TRAIN) if split == "train" else (_SMALL_TRAIN, None)
            return DigitSet(file, file, first, count)
    return None


def _no_small() -> Finding:
    return Finding("is digits, and scikit-learn, which brings them, is not here", "pip install scikit-learn", "dataset")


def _file(folder: Path, begins: Sequence[str], rest: str) -> Path | None:
    pattern = re.compile(rf"({'|'.join(map(re.escape, begins))})-{rest}-ubyte(\.gz)?")
    try:
        found = sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name) and is_file(path))
    except OSError:
        return None
    return found[0] if found else None


# --- what is in the files, read once


def pictures_of(file: Path) -> bytes:
    """The pictures of an IDX file, PIXELS bytes each; read again where the file has changed."""
    return _pictures(file, state_of(file))


def state_of(file: Path) -> tuple[int, int]:
    """What changes when a file does."""
    try:
        stat = file.stat()
    except OSError:  # who reads it says why
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=4)
def _pictures(file: Path, state: tuple[int, int]) -> bytes:
    return read_pictures(file)


def _labels(file: Path) -> bytes:
    return bytes(row[-1] for row in small_rows(file)) if _is_small(file) else read_labels(file)


def small_rows(file: Path) -> list[list[int]]:
    """scikit-learn's file: 64 numbers from 0 to 16 and the digit, a line each."""
    return list(_small_rows(file))


def _small_rows(file: Path) -> Iterator[list[int]]:
    with gzip.open(file, "rt", encoding="ascii") as stream:
        for line in csv.reader(stream):
            if len(line) != _SMALL_COLUMNS:
                raise DataError(Finding("is not scikit-learn's file of digits", "install it again", file=str(file)))
            yield [int(float(cell)) for cell in line]


def _is_small(file: Path) -> bool:
    return file.name == "digits.csv.gz"
