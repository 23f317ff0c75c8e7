"""What are the pixels of a picture, whichever way it is named? 28 x 28 bytes, 0 for the background, as in MNIST."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grpoctl.counted import counted
from grpoctl.digits.idx import PIXELS, SIDE
from grpoctl.digits.sets import pictures_of, small_rows, state_of
from grpoctl.errors import Finding, InputError
from grpoctl.packages import missing_packages
from grpoctl.paths import is_file, user_path

Pixels = NDArray[np.uint8]

# MNIST's digits fill a square of so many pixels, which stands in the middle of the picture by its centre of mass.
_BOX = 20
# A picture larger than this is a photograph of something else, or made to fill the memory.
_LONGEST_SIDE = 8192
_DARK = 127


def pixels_of(addresses: Sequence[str]) -> Pixels:
    """A row of 784 for each address: a picture's number in a file of many, or a picture file of its own."""
    by_file: dict[str, list[tuple[int, int]]] = defaultdict(list)
    found = np.empty((len(addresses), PIXELS), np.uint8)
    for place, each in enumerate(addresses):
        file, _, number = each.rpartition("#")
        if file and number.isascii() and number.isdigit():
            by_file[file].append((place, int(number)))
        else:
            found[place] = read_picture(each)
    for file, numbers in by_file.items():
        held = _all_of(Path(file), state_of(Path(file)))
        places, wanted = zip(*numbers, strict=True)
        if max(wanted) >= len(held):
            said = f"has {counted(len(held), 'picture')}, and number {max(wanted)} is asked for"
            raise InputError(Finding(said, "count from 0", file=file))
        found[list(places)] = held[list(wanted)]
    return found


@lru_cache(maxsize=4)
def _all_of(file: Path, state: tuple[int, int]) -> Pixels:
    if file.name == "digits.csv.gz":
        return _enlarged(np.asarray(small_rows(file), np.float64)[:, :-1])
    return np.frombuffer(pictures_of(file), np.uint8).reshape(-1, PIXELS)


def _enlarged(values_N_64: NDArray[np.float64]) -> Pixels:
    """8 x 8 numbers from 0 to 16 as the square in the middle of a picture, each pixel a mean of its neighbours."""
    places = (np.arange(_BOX) + 0.5) * 8 / _BOX - 0.5
    nearness_20_8 = np.maximum(0.0, 1.0 - np.abs(np.clip(places, 0, 7)[:, None] - np.arange(8)))
    square_N_20_20 = nearness_20_8 @ values_N_64.reshape(-1, 8, 8) @ nearness_20_8.T
    whole = np.zeros((len(values_N_64), SIDE, SIDE))
    edge = (SIDE - _BOX) // 2
    whole[:, edge:-edge, edge:-edge] = square_N_20_20 * 255 / 16
    return whole.round().astype(np.uint8).reshape(-1, PIXELS)


# --- a file of one picture


def read_picture(name: str) -> Pixels:
    """A picture as MNIST would have it: grey, light on dark, the digit in the middle square."""
    path = user_path(name)
    if not is_file(path):
        raise InputError(Finding("is no picture that is here", "give the path of a PNG or JPEG file", file=name))
    if missing_packages(("pillow",)):
        raise InputError(Finding("takes pillow to be read, which is not installed", "pip install pillow", file=name))
    grey = _grey(path)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if np.median(border) > _DARK:  # ink on paper
        grey = 255 - grey
    if grey.shape == (SIDE, SIDE):
        return grey.reshape(PIXELS)
    return _centred(grey, path).reshape(PIXELS)


def _grey(path: Path) -> Pixels:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            if max(opened.size) > _LONGEST_SIDE:
                size = " x ".join(map(str, opened.size))
                raise InputError(Finding(f"is a picture of {size} pixels", "cut the digit out of it", file=str(path)))
            coloured = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(Finding("is no picture that can be read", "save it as PNG again", file=str(path))) from None
    # What is transparent is paper.
    paper = Image.new("RGBA", coloured.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(paper, coloured).convert("L"))


def _centred(grey: Pixels, path: Path) -> Pixels:
    from PIL import Image

    # Paper is never of one grey.
    ink = grey > max(30, int(grey.max()) // 4)
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise InputError(Finding("is a picture of nothing: it has one colour", "draw a digit", file=str(path)))
    cut: Any = Image.fromarray(grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = _BOX / max(cut.size)
    small = cut.resize([max(1, round(side * scale)) for side in cut.size], Image.Resampling.LANCZOS)
    digit = np.asarray(small, np.float64)
    weight = digit.sum()
    middle = [
        (digit.sum(axis=1 - axis) @ np.arange(digit.shape[axis])) / weight if weight else digit.shape[axis] / 2
        for axis in (0, 1)
    ]
    top, left = (
        min(max(0, round((SIDE - 1) / 2 - place)), SIDE - side) for place, side in zip(middle, digit.shape, strict=True)
    )
    whole = np.zeros((SIDE, SIDE), np.uint8)
    whole[top : top + digit.shape[0], left : left + digit.shape[1]] = small
    return whole
