"""What pictures or labels does an IDX file hold? MNIST's format: a head of numbers, and then a byte a value."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import IO, cast

from grpoctl.errors import DataError, Finding

SIDE = 28
PIXELS = SIDE * SIDE

# The last byte of each is the number of sizes that follow; 8 before it says that values are bytes.
_PICTURES, _LABELS = 0x00000803, 0x00000801
_MOST = 2_000_000


def read_pictures(path: Path) -> bytes:
    """All pictures of a file, PIXELS bytes each, 0 for the background; DataError where it holds something else."""
    (height, width), values = _read(path, _PICTURES, sizes=3)
    if (height, width) != (SIDE, SIDE):
        raise _fault(path, f"holds pictures of {height} x {width}", f"{SIDE} x {SIDE} are read: enlarge or shrink them")
    return values


def read_labels(path: Path) -> bytes:
    """The digit in each picture, a byte each."""
    _, values = _read(path, _LABELS, sizes=1)
    wrong = next((number for number, label in enumerate(values) if label > 9), None)
    if wrong is not None:
        raise _fault(path, f"has the label {values[wrong]} (number {wrong + 1})", "digits are 0 to 9")
    return values


def _read(path: Path, kind: int, sizes: int) -> tuple[list[int], bytes]:
    """The sizes of one picture or label, and the values of all."""
    name = "pictures" if kind == _PICTURES else "labels"
    try:
        with _opened(path) as stream:
            head = stream.read(4 + 4 * sizes)
            if len(head) < 4 or struct.unpack(">I", head[:4])[0] != kind:
                begins = f"it begins with {head[:4].hex() or 'nothing'}, not {kind:08x}"
                raise _fault(path, f"is no IDX file of {name} ({begins})", "fetch it again, or name another folder")
            if len(head) < 4 + 4 * sizes:
                raise _fault(path, "is cut short within its head", "fetch it again")
            count, *each = struct.unpack(f">{sizes}I", head[4:])
            size = 1
            for length in each:
                size *= length
            if count > _MOST or size > 2**16:
                raise _fault(path, f"claims {count:,} {name} of {size:,} bytes", "fetch it again")
            values = stream.read(count * size)
            more = stream.read(1)
    except (OSError, EOFError, zlib.error) as error:
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        raise _fault(path, f"cannot be read ({reason})", "fetch it again") from None
    if len(values) < count * size:
        there = len(values) // max(size, 1)
        raise _fault(path, f"is cut short: it promises {count:,} {name} and holds {there:,}", "fetch it again")
    if more:
        raise _fault(path, f"goes on behind the {count:,} {name} that it promises", "fetch it again")
    if not count:
        raise _fault(path, f"holds no {name}", "name another folder")
    return each, values


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _fault(path: Path, problem: str, fix: str) -> DataError:
    return DataError(Finding(problem, fix, file=str(path)))
