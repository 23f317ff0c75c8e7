"""What does a YAML text say, and on which line does it say it?

Reads parser events instead of using PyYAML's constructors, because those lose the line of each key, take the last of
two equal keys without a word, read `1e-4` as text and `no` as false, and can be made to run for ever.
"""

import copy
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from grpoctl.errors import Finding

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
MAX_VALUES = 2_000  # the longest recipe has a tenth of it

KeyPath = tuple[str | int, ...]

# libyaml is ten times as fast; the pure loader is there for the platforms whose wheel lacks it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))")


@dataclass
class YamlText:
    """Plain values, the line of each, and what was wrong with the text."""

    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


class _Unreadable(Exception):
    """Reading has to stop at this finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding


def read_text(path: Path, file: str, max_bytes: int = MAX_BYTES) -> str | Finding:
    """The text of a small UTF-8 file, or why it cannot be had; never blocks and never reads more than max_bytes."""
    try:
        info = path.stat()
        if stat.S_ISDIR(info.st_mode):
            return Finding("is a folder", "give a file in it", file=file)
        if not stat.S_ISREG(info.st_mode):
            return Finding("is not a regular file", "give a text file", file=file)
        with path.open("rb") as stream:
            raw = stream.read(max_bytes + 1)
    except FileNotFoundError:
        return Finding("is not there", "check the name", file=file)
    except PermissionError:
        return Finding("may not be read by you", f"allow it: chmod u+r {path.name}", file=file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Finding(f"cannot be read ({reason})", "check the name", file=file)
    if len(raw) > max_bytes:
        size = max(info.st_size, len(raw))
        return Finding(f"has {size:,} bytes", f"use a file of at most {max_bytes:,} bytes", file=file)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Finding("is not UTF-8 text", "save it as UTF-8 text", file=file, line=line)


def parse(text: str, file: str, max_values: int = MAX_VALUES) -> YamlText:
    """The values and lines of one YAML document; JSON is read too, being YAML."""
    result = YamlText()
    try:
        _build(yaml.parse(text, Loader=_Loader), file, result, max_values)
    except _Unreadable as stop:
        result.findings.append(stop.finding)
    except yaml.YAMLError as error:
        result.findings.append(_syntax_finding(error, text, file))
    except (UnicodeError, ValueError, RecursionError) as error:
        result.findings.append(Finding(f"is not YAML ({error})", "save it as plain UTF-8 text", file=file))
    return result


def scalar(text: str) -> object:
    """A plain scalar by YAML 1.2's core rules, so `1e-4` is a number and `no` stays a word."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


@dataclass
class _Open:
    """A mapping or sequence whose end has not been read yet."""

    value: dict[str, Any] | list[Any]
    path: KeyPath
    anchor: str | None
    values_before: int
    key: str | None = None


def _build(events: Iterator[Any], file: str, result: YamlText, max_values: int) -> None:
    """Build values from events without recursion, holding depth and count of values to their limits."""
    open_ones: list[_Open] = []
    anchors: dict[str, tuple[Any, int]] = {}
    count = 0
    documents = 0

    for event in events:
        line = event.start_mark.line + 1

        def stop(problem: str, fix: str, line: int = line) -> _Unreadable:
            return _Unreadable(Finding(problem, fix, file=file, line=line))

        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise stop("starts a second document", "keep one document a file")
            continue
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = open_ones.pop()
            if done.anchor:
                anchors[done.anchor] = (done.value, count - done.values_before)
            continue
        if not isinstance(event, yaml.ScalarEvent | yaml.AliasEvent | yaml.CollectionStartEvent):
            continue

        parent = open_ones[-1] if open_ones else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            if not isinstance(event, yaml.ScalarEvent):
                raise stop("has a list, mapping or alias as a key", "use a word as a key")
            if event.value == "<<" and not event.style:
                raise stop("has a merge key (<<)", "write the keys out")
            parent.key = event.value
            here = (*parent.path, event.value)
            if event.value in parent.value:
                first = result.lines[here]
                result.findings.append(
                    Finding(
                        f"is given twice, first on line {first}",
                        "keep one of them",
                        key=dotted(here),
                        file=file,
                        line=line,
                    )
                )
            else:
                result.lines[here] = line
            continue

        if parent is None:
            path: KeyPath = ()
        else:
            slot = parent.key if isinstance(parent.value, dict) else len(parent.value)
            path = (*parent.path, slot) if slot is not None else parent.path
            if isinstance(parent.value, list):
                result.lines[path] = line

        tag = getattr(event, "tag", None)
        if tag is not None:
            raise stop(f"has the tag {tag[:60]}", "write a plain value")

        count += 1
        value: Any
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise stop(f"names *{str(event.anchor)[:40]} inside or before its own anchor", "write the value out")
            value, size = anchors[event.anchor]
            count += size
            # A copy, so that an override of one of them leaves the other alone.
            value = copy.deepcopy(value) if count <= max_values else None
        elif isinstance(event, yaml.ScalarEvent):
            if "\0" in event.value:
                raise stop("holds a NUL character", "remove it")
            value = event.value if event.style else scalar(event.value)
            if event.anchor:
                anchors[event.anchor] = (value, 1)
        else:
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
            if event.anchor:
                anchors.pop(event.anchor, None)
            open_ones.append(_Open(value, path, event.anchor, count))
            if len(open_ones) > MAX_DEPTH:
                raise stop(f"is nested more than {MAX_DEPTH} deep", "flatten it; a recipe needs 4 levels at most")
        if count > max_values:
            raise stop(f"holds more than {max_values:,} values", "shorten it")

        if parent is None:
            result.value = value
        elif isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is not None:
            parent.value.setdefault(parent.key, value)  # of two equal keys the first stands; both are reported
            parent.key = None


_NO_SPACE = re.compile(r"\s*[A-Za-z_]+:[^\s/:]\S*\s*(#.*)?")


def _syntax_finding(error: yaml.YAMLError, text: str, file: str) -> Finding:
    """YAML's complaint in a user's words, at the place to mend rather than where reading broke off."""
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition("\n")[0]
    context = getattr(error, "context", None) or ""
    mark, opened = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    lines = text.splitlines() or [""]
    # A reader error (a control character) names a position instead of a mark; a mark may point behind the last line.
    at = mark.line if mark is not None else text.count("\n", 0, getattr(error, "position", 0))
    at = min(at, len(lines) - 1)
    above = next((number for number in range(at - 1, -1, -1) if _says_something(lines[number])), at)
    tight = next((number for number in (at, above) if _NO_SPACE.fullmatch(lines[number])), None)

    problem, fix = f"is not YAML: {said}", "check colons, quotes, brackets and indentation here"
    if lines[at].startswith("\t"):
        problem, fix = "has a tab where YAML wants spaces", "indent with spaces"
    elif "control characters" in said or "special characters" in said:
        problem, fix = "has a control character", "remove it"
    elif "Unicode character escape" in said:  # JSON writes an emoji as two such halves
        problem, fix = "has an escape that is no character of its own", "write the character itself"
    elif opened is not None and ("quoted scalar" in context or "flow" in context):
        problem, fix = f"opens a {'quote' if 'quoted' in context else 'bracket'} that is not closed", "close it"
        at = min(opened.line, len(lines) - 1)
    elif tight is not None:
        problem, fix, at = "has no space behind its colon", "write key: value", tight
    elif lines[at].startswith(" ") or lines[above].startswith(" "):
        problem, fix = "is indented otherwise than the lines around it", "start every key at the margin"
        at = at if lines[at].startswith(" ") else above
    elif "mapping values are not allowed" in said:
        problem, fix = "has a colon inside a plain value", "put the value in quotes"
    elif "could not find expected ':'" in said:
        problem, fix = "has a line that is no key: value", "write it as one, or as a # comment"
        at = min(opened.line, len(lines) - 1) if opened is not None else at
    return Finding(problem, fix, file=file, line=at + 1)


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def dotted(path: KeyPath) -> str:
    """A key path as people write it in an override: `eval_modes.greedy.temperature`."""
    return ".".join(str(part) for part in path)[:120]
