"""What bytes does a text file hold, packed or not, without waiting for a pipe or filling the memory?"""

import gzip
import io
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from grpoctl.errors import DataError, Finding
from grpoctl.paths import is_file

MAX_LINE = 64 << 20
MAX_UNPACKED = 4_000_000_000
# Text packs to a third or a tenth; what grows more than this, and by more than a little, was made to.
_MAX_RATIO = 100
_A_LITTLE = 256_000_000
MAX_WHOLE = 500_000_000
_HEAD = 4096
_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")  # UTF-16, of which UTF-32 is a longer case
_GZIP = b"\x1f\x8b"


class BadRecord:
    """A record that cannot be read and need not spoil its file: the problem and what to do."""

    def __init__(self, problem: str, fix: str = "mend it here") -> None:
        self.problem = problem
        self.fix = fix


def fault(path: Path, problem: str, fix: str, line: int | None = None) -> DataError:
    return DataError(Finding(problem, fix, file=str(path), line=line))


def not_utf8(path: Path, line: int | None = None) -> DataError:
    return fault(path, "is not UTF-8 text", "save it as UTF-8", line)


def refuse_other_than_files(path: Path) -> None:
    """A folder, or a pipe that might never end, is not opened at all."""
    try:
        there = path.exists()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if there and not is_file(path):
        raise fault(path, "is no file", "name a file, or a folder of files")


def read_head(path: Path) -> bytes:
    """The first bytes, of which the mark of UTF-8 is none."""
    with _opened(path) as stream:
        return stream.read(_HEAD).removeprefix(_BOM)


def read_whole(path: Path) -> bytes:
    with _opened(path) as stream:
        raw = stream.read(MAX_WHOLE + 1)
    if len(raw) > MAX_WHOLE:
        raise fault(path, "is one list of more than 0.5 GB", "write it as JSONL, one row a line")
    return raw.removeprefix(_BOM)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line, its end included."""
    total = 0
    with _opened(path) as stream:
        most = _most_unpacked(stream, path)
        line = stream.readline(MAX_LINE + 1).removeprefix(_BOM)
        number = 1
        while line:
            if len(line) > MAX_LINE:
                raise fault(path, "has a line of more than 64 MB", "write one row a line", number)
            total += len(line)
            if total > most:
                raise fault(path, f"unpacks to more than {most / 1e9:g} GB", "unpack it, or use a part of it")
            yield number, line
            line = stream.readline(MAX_LINE + 1)
            number += 1


def _most_unpacked(stream: BinaryIO, path: Path) -> float:
    """Bytes that a packed file may come to; what lies on the disk as it is has no limit."""
    if not (isinstance(stream, io.BufferedReader) and isinstance(stream.raw, gzip.GzipFile)):
        return math.inf
    return min(MAX_UNPACKED, max(_A_LITTLE, _MAX_RATIO * path.stat().st_size))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file as it is, or unpacked where it begins as gzip does, whatever its ending."""
    refuse_other_than_files(path)
    try:
        with path.open("rb") as raw:
            head = raw.peek(2)[:2]
            if head in _OTHER_BOMS:
                raise not_utf8(path)
            if head != _GZIP:
                yield raw
                return
            # GzipFile is a raw stream in all but its type, and unbuffered takes a Python call for each line.
            yield io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 18)
    except DataError:  # a ValueError too
        raise
    except EOFError:
        raise fault(path, "is a gzip file that is cut short", "copy it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        reason = str(error).rpartition(": ")[2]  # behind zlib's "Error -3 while decompressing data"
        raise fault(path, f"is a damaged gzip file ({reason})", "copy it again") from None
    except FileNotFoundError:
        raise fault(path, "is not there", "check file_name in dataset_info.json") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError | ValueError) -> DataError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return fault(path, f"cannot be read ({reason})", "check its name, and who may read it")
