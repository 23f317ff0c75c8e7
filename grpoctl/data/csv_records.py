"""Which records does a CSV or TSV file hold, and on which line does each begin?"""

import csv
import re
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from grpoctl.data.texts import MAX_LINE, BadRecord, fault, read_lines

_TAB = "\t"


def read_csv(path: Path, delimiter: str = ",") -> Iterator[tuple[int, Any]]:
    """Line and cells of each record, by the names on the first line. All cells are text."""
    # One limit for the whole process, so it is put back; the default of 128 KB is less than a long solution takes.
    usual = csv.field_size_limit(MAX_LINE)
    try:
        yield from _records(path, delimiter)
    finally:
        csv.field_size_limit(usual)


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, Any]]:
    names: list[str] = []
    # Strict, because otherwise a quote that is not closed takes the rest of the file into one cell without a word.
    reader = csv.reader(_text_lines(path), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if not names or _spoils_the_rest(error):
                raise fault(path, f"is not CSV ({_reason(error)})", "mend it here", line) from None
            yield line, BadRecord(f"is not CSV ({_reason(error)})")
            continue
        if not cells:  # an empty line
            continue
        if not names:
            names = cells
            _refuse_odd_names(names, path, line, delimiter)
        else:
            yield line, _record(names, cells)


def _record(names: Sequence[str], cells: Sequence[str]) -> dict[str, str] | BadRecord:
    if len(cells) != len(names):
        return BadRecord(f"has {len(cells)} cells, and the first line {len(names)}", "put cells with commas in quotes")
    if any("\0" in cell for cell in cells):
        return BadRecord("holds a NUL character", "remove it")
    if any(_NOT_UTF8.search(cell) for cell in cells):
        return BadRecord("is not UTF-8 text", "save the file as UTF-8")
    # Tables with an index have a column without a name, which nothing can ask for.
    return {name: cell for name, cell in zip(names, cells, strict=True) if name}


def _refuse_odd_names(names: Sequence[str], path: Path, line: int, delimiter: str) -> None:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise fault(path, f"names the column {twice[0]} twice", "rename one of them", line)
    if any("\0" in name or _NOT_UTF8.search(name) for name in names):
        raise fault(path, "is not UTF-8 text", "save it as UTF-8", line)
    other = next((mark for mark in ",;\t" if mark != delimiter and mark in names[0]), None)
    if len(names) == 1 and other is not None:
        parted = {",": "commas", ";": "semicolons", _TAB: "tabs"}
        fix = "call it .tsv" if other == _TAB else "save it with commas and call it .csv"
        raise fault(path, f"has {parted[other]} between its columns", fix, line)


# What surrogateescape makes of bytes that are no UTF-8.
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def _text_lines(path: Path) -> Iterator[str]:
    """Lines that end with \\n, \\r\\n or an old Mac's \\r, each with its end."""
    for _, raw in read_lines(path):
        text = raw.decode("utf-8", errors="surrogateescape")
        if "\r" in text[:-2]:
            yield from StringIO(text, newline="")
        else:
            yield text


def _spoils_the_rest(error: csv.Error) -> bool:
    return "unexpected end of data" in str(error) or "field larger" in str(error)


def _reason(error: csv.Error) -> str:
    said = str(error)
    if "unexpected end of data" in said:
        return "a quote that is not closed"
    return "a cell of more than 64 MB" if "field larger" in said else said
