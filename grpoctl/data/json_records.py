"""Which records does a JSON or JSONL file hold, and on which line does each begin?"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grpoctl.data.texts import BadRecord, fault, not_utf8, read_head, read_lines, read_whole


def read_json(path: Path) -> Iterator[tuple[int, Any]]:
    """Line and value of each record: of a list, or one a line, by what the file holds and not by its ending."""
    return _of_list(path) if read_head(path).lstrip()[:1] == b"[" else _of_lines(path)


def _of_lines(path: Path) -> Iterator[tuple[int, Any]]:
    first = True
    for number, line in read_lines(path):
        if line.isspace():
            continue
        try:
            yield number, json.loads(line.decode("utf-8"))
        except UnicodeDecodeError:
            if first:
                raise not_utf8(path, number) from None
            yield number, BadRecord("is not UTF-8 text", "save the file as UTF-8")
        except (ValueError, RecursionError) as error:
            if first and _is_one_object(path):
                raise fault(path, "holds one object", "write a list of rows, or one row a line") from None
            yield number, BadRecord(f"is not JSON ({_reason(error)})")
        first = False


def _of_list(path: Path) -> Iterator[tuple[int, Any]]:
    """The items of a list with their lines, which json.loads would lose."""
    raw = read_whole(path)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(path, raw.count(b"\n", 0, error.start) + 1) from None
    del raw
    decoder = json.JSONDecoder()
    position = _skip_space(text, text.index("[") + 1)
    line, counted = 1, 0
    while text[position : position + 1] != "]":
        line += text.count("\n", counted, position)
        counted = position
        try:
            record, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            at = error.lineno if isinstance(error, json.JSONDecodeError) else line
            raise fault(path, f"is not JSON ({_reason(error)})", "mend it here", at) from None
        yield line, record
        position = _skip_space(text, end)
        found = text[position : position + 1]
        if found == ",":
            position = _skip_space(text, position + 1)
            if text[position : position + 1] == "]":
                at = line + text.count("\n", counted, position)
                raise fault(path, "has a comma behind its last row", "mend it here", at)
        elif found != "]":
            problem = f"has {found} where a comma is due" if found else "ends before its list does"
            raise fault(path, problem, "mend it here", line + text.count("\n", counted, position))
    if text[position + 1 :].strip():
        at = line + text.count("\n", counted, position)
        raise fault(path, "goes on behind its list", "mend it here", at)


_SPACE = re.compile(r"[ \t\r\n]*")


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _is_one_object(path: Path) -> bool:
    try:
        return isinstance(json.loads(read_whole(path)), dict)
    except (ValueError, RecursionError):
        return False


def _reason(error: ValueError | RecursionError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:80]
