"""Which records does a file hold, and where does each begin?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grpoctl.data.arrow_records import read_arrow, read_parquet
from grpoctl.data.csv_records import read_csv
from grpoctl.data.files import kind_of
from grpoctl.data.json_records import read_json
from grpoctl.data.texts import fault

_OTHERS = {
    ".txt": "plain text",
    ".xlsx": "an Excel sheet",
    ".xls": "an Excel sheet",
    ".zip": "a zip archive",
    ".tar": "a tar archive",
    ".zst": "packed with zstd",
    ".bz2": "packed with bzip2",
    ".xz": "packed with xz",
    ".pkl": "a pickle, which could run code",
    ".pt": "a pickle, which could run code",
}


def read_records(path: Path) -> Iterator[tuple[int | None, Any]]:
    """Line (None in binary files) and value of each record, or a BadRecord; DataError where the file is broken.

    An ending that says nothing is read as JSON.
    """
    kind = kind_of(path)
    if kind is None and path.suffix.lower() in _OTHERS:
        fix = "convert it to JSONL, CSV or Parquet"
        raise fault(path, f"is {_OTHERS[path.suffix.lower()]}", fix)
    if kind in ("CSV", "TSV"):
        return read_csv(path, "\t" if kind == "TSV" else ",")
    if kind == "Parquet":
        return read_parquet(path)
    return read_arrow(path) if kind == "Arrow" else read_json(path)
