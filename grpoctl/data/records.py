"""Which records does a file hold, and on which line does each begin?"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grpoctl.errors import DataError, Finding

_OTHER_FORMATS = {".csv": "CSV", ".tsv": "TSV", ".parquet": "Parquet", ".arrow": "Arrow", ".txt": "plain text"}


class NotJson:
    """A line that is no JSON: one bad record, which need not spoil the file."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def read_records(path: Path) -> Iterator[tuple[int, Any]]:
    """Line and value of each record, of a JSON list or of JSON lines by what the file holds, or DataError."""
    text = _text(path)
    if text.lstrip()[:1] == "[":
        return _of_list(text, str(path))
    if "\n" in text.strip() and _is_one_object(text):
        raise DataError(Finding("holds one object", "write a list of rows, or one row a line", file=str(path)))
    return _of_lines(text)


def _text(path: Path) -> str:
    file = str(path)
    try:
        if path.suffix in _OTHER_FORMATS:
            fix = "convert it to JSON or JSONL, which this version reads"
            raise DataError(Finding(f"is {_OTHER_FORMATS[path.suffix]}", fix, file=file))
        if path.exists() and not path.is_file():
            raise DataError(Finding("is no file", "check file_name in dataset_info.json", file=file))
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        fix = "check file_name in dataset_info.json"
        raise DataError(Finding("is not there", fix, file=file)) from None
    except UnicodeDecodeError:
        fix = "save it as UTF-8 JSON or JSONL"
        raise DataError(Finding("is not UTF-8 text", fix, file=file)) from None
    except OSError as error:
        raise DataError(Finding(f"cannot be read ({error.strerror})", "check the file", file=file)) from None


def _of_lines(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                yield number, NotJson(_reason(error))


def _of_list(text: str, file: str) -> Iterator[tuple[int, Any]]:
    """The items of a list with their lines, which json.loads would lose."""
    decoder = json.JSONDecoder()

    def fault(problem: str, line: int) -> DataError:
        return DataError(Finding(problem, "mend it here", file=file, line=line))

    position = _skip_space(text, text.index("[") + 1)
    line, counted = 1, 0
    while text[position : position + 1] != "]":
        line += text.count("\n", counted, position)
        counted = position
        try:
            record, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            at = error.lineno if isinstance(error, json.JSONDecodeError) else line
            raise fault(f"is not JSON ({_reason(error)})", at) from None
        yield line, record
        position = _skip_space(text, end)
        found = text[position : position + 1]
        if found == ",":
            position = _skip_space(text, position + 1)
            if text[position : position + 1] == "]":
                raise fault("has a comma behind its last row", line + text.count("\n", counted, position))
        elif found != "]":
            problem = f"has {found} where a comma is due" if found else "ends before its list does"
            raise fault(problem, line + text.count("\n", counted, position))
    if text[position + 1 :].strip():
        raise fault("goes on behind its list", line + text.count("\n", counted, position))


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _is_one_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _reason(error: ValueError | RecursionError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:80]
