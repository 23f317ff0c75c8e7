"""What do the rows of a data set say: the question, the gold answer, and the columns beside them?"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpoctl.data.dataset_info import Columns, DatasetEntry
from grpoctl.data.records import NotJson, read_records
from grpoctl.errors import DataError, Finding

# A file with a thousand bad rows has one fault, not a thousand.
MAX_FINDINGS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One problem: earlier turns, the question, its gold answer, and every column of the file for rewards."""

    question: str
    answer: str
    system: str | None = None
    history: tuple[tuple[str, str], ...] = ()
    columns: dict[str, Any] = field(default_factory=dict)


@dataclass
class Rows:
    """The rows that can be used, what was wrong with the others, and every column that any row had."""

    rows: list[Row] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    bad: int = 0
    columns: dict[str, None] = field(default_factory=dict)  # a set that keeps its order


def gold_answer(text: str) -> str:
    """The final answer alone: GSM8K writes it behind `####`."""
    return text.rpartition("####")[2].strip()


def read_rows(entry: DatasetEntry, folder: Path, max_samples: int | None = None) -> Rows:
    """The rows of a local data set, bad ones left out and named."""
    path = folder / (entry.file_name or "")
    result = Rows()
    limit = min((number for number in (entry.num_samples, max_samples) if number is not None), default=None)
    try:
        for number, (line, values) in enumerate(read_records(path), 1):
            if limit is not None and len(result.rows) >= limit:
                break
            if isinstance(values, dict):
                result.columns.update(dict.fromkeys(values))
            row = _row(values, entry.columns)
            if isinstance(row, Row):
                result.rows.append(row)
                continue
            result.bad += 1
            if result.bad <= MAX_FINDINGS:
                problem, fix = row
                result.findings.append(Finding(f"row {number} {problem}", fix, file=str(path), line=line))
    except DataError as error:
        result.findings += error.findings
    if result.bad > MAX_FINDINGS:
        more = f"has {result.bad - MAX_FINDINGS} more bad rows"
        result.findings.append(Finding(more, "mend them in the same way", file=str(path)))
    if not result.rows and not result.findings:
        result.findings.append(Finding("holds no rows", "give it at least a step's worth", file=str(path)))
    return result


def _row(values: Any, columns: Columns) -> Row | tuple[str, str]:
    """A row, or the problem and fix of one that is none."""
    if isinstance(values, NotJson):
        return f"is not JSON ({values.reason})", "mend it here"
    if not isinstance(values, dict):
        return "is no JSON object", "write {…} with the columns"
    gold_column = columns.answer or columns.response
    question, gold = _text(values, columns.prompt), _text(values, gold_column)
    query, system = _text(values, columns.query), _text(values, columns.system)
    history = _history(values.get(columns.history) if columns.history else None)
    if question is None or isinstance(question, _NotText):
        return f"has no text in {columns.prompt}, the question", "give it one, or name another column"
    if not question.strip():
        return f"has an empty {columns.prompt}, the question", "give it a text"
    if gold is None or isinstance(gold, _NotText) or not gold_answer(gold):
        return f"has no text or number in {gold_column}, the gold answer", "give it one"
    if isinstance(query, _NotText):
        return f"has no text in {columns.query}", "write one, or leave it out"
    if isinstance(system, _NotText):
        return f"has no text in {columns.system}", "write one, or leave it out"
    if history is None:
        return f"has no list of [question, answer] pairs in {columns.history}", "write it as one, or leave it out"
    return Row(
        question=f"{question}\n{query}" if query else question,
        answer=gold_answer(gold),
        system=system or None,
        history=history,
        columns=values,
    )


# Half of an escaped pair, which no tokenizer takes.
_HALF = re.compile("[\ud800-\udfff]")


class _NotText:
    """A value that is neither text nor a number."""


def _text(values: dict[str, Any], column: str | None) -> str | _NotText | None:
    value = values.get(column) if column else None
    if value is None:
        return None
    if isinstance(value, str):
        return value if _HALF.search(value) is None else _NotText()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(value)
    return _NotText()


def _history(value: Any) -> tuple[tuple[str, str], ...] | None:
    """Earlier turns, or None where the column holds something else."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        return None
    if not all(isinstance(part, str) for pair in value for part in pair):
        return None
    return tuple((question, answer) for question, answer in value)
