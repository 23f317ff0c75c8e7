"""Digits that a network learns in no time, as IDX files: ten shapes of chance, each a little disturbed."""

import gzip
import random
import struct
from collections.abc import Sequence
from pathlib import Path

SIDE = 28
_SHAPES = [random.Random(digit).choices([0, 220], k=SIDE * SIDE) for digit in range(10)]


def picture(digit: int, number: int = 0) -> bytes:
    """The number'th picture of a digit: its shape with three in ten pixels of chance."""
    chance = random.Random(f"{digit} {number}")
    return bytes(chance.randrange(256) if chance.random() < 0.3 else each for each in _SHAPES[digit])


def write_idx(folder: Path, train: int = 200, test: int = 50, *, packed: bool = False) -> Path:
    """A folder as MNIST's is."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, start, count in (("train", 0, train), ("t10k", train, test)):
        labels = [number % 10 for number in range(count)]
        pictures = [picture(label, start + number) for number, label in enumerate(labels)]
        ending = ".gz" if packed else ""
        _write(folder / f"{split}-images-idx3-ubyte{ending}", pictures_file(pictures))
        _write(folder / f"{split}-labels-idx1-ubyte{ending}", labels_file(labels))
    return folder


def pictures_file(pictures: Sequence[bytes], side: int = SIDE) -> bytes:
    return struct.pack(">IIII", 0x803, len(pictures), side, side) + b"".join(pictures)


def labels_file(labels: Sequence[int]) -> bytes:
    return struct.pack(">II", 0x801, len(labels)) + bytes(labels)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)
