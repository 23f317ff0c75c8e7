"""Which records does a file hold, and on which line does each begin?"""

import json
import re
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
    def fault(problem: str, fix: str) -> DataError:
        return DataError(Finding(problem, fix, file=str(path)))

    if path.suffix in _OTHER_FORMATS:
        raise fault(f"is {_OTHER_FORMATS[path.suffix]}", "convert it to JSON or JSONL, which this version reads")
    try:
        is_other = path.exists() and not path.is_file()  # a folder, or a pipe that might never end
        text = "" if is_other else path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise fault("is not there", "check file_name in dataset_info.json") from None
    except UnicodeDecodeError:
        raise fault("is not UTF-8 text", "save it as UTF-8 JSON or JSONL") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise fault(f"cannot be read ({reason})", "check file_name in dataset_info.json") from None
    if is_other:
        raise fault("is no file", "check file_name in dataset_info.json")
    return text


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


_SPACE = re.compile(r"[ \t\r\n]*")


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _is_one_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _reason(error: ValueError | RecursionError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:80]
