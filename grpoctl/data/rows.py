"""What do the rows of a data set say: the question, the gold answer, and the columns beside them?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpoctl.data.cells import NotText, text_in
from grpoctl.data.conversation import read_conversation
from grpoctl.data.entry import DatasetEntry
from grpoctl.data.files import find_files
from grpoctl.data.records import read_records
from grpoctl.data.texts import BadRecord
from grpoctl.errors import DataError, Finding

# A file with a thousand bad rows has one fault, not a thousand.
MAX_FINDINGS = 5
# Some gigabytes of memory, and more than any run asks: what is larger is a mistake, or made to do harm.
MAX_ROWS = 2_000_000


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
    is_whole: bool = True  # every file could be read to its end
    columns: dict[str, None] = field(default_factory=dict)  # a set that keeps its order


_Fault = tuple[str, str]


def gold_answer(text: str) -> str:
    """The final answer alone: GSM8K writes it behind `####`, on the last line."""
    _, _, behind = text.rpartition("####")
    return text.strip() if "\n" in behind.strip() else behind.strip()


def read_rows(entry: DatasetEntry, folder: Path, max_samples: int | None = None) -> Rows:
    """The rows of a local data set, bad ones left out and named."""
    path = folder / (entry.file_name or "")
    result = Rows()
    limit = min((number for number in (entry.num_samples, max_samples) if number is not None), default=None)
    try:
        for file in find_files(path, entry.split):
            _read_file(file, entry, limit, result)
    except DataError as error:
        result.is_whole = False
        result.findings += error.findings
    if result.bad > MAX_FINDINGS:
        more = f"has {result.bad - MAX_FINDINGS} more bad rows"
        result.findings.append(Finding(more, "mend them in the same way", file=str(path)))
    if not result.rows and not result.findings:
        result.findings.append(Finding("holds no rows", "give it at least a step's worth", file=str(path)))
    return result


def _read_file(file: Path, entry: DatasetEntry, limit: int | None, result: Rows) -> None:
    read = _conversation if entry.is_conversation else _alpaca
    for number, (line, values) in enumerate(read_records(file), 1):
        if limit is not None and len(result.rows) >= limit:
            break
        if result.bad >= MAX_ROWS or (limit is None and len(result.rows) >= MAX_ROWS):
            fix = "say how many to use, as in max_samples: 100000"
            raise DataError(Finding(f"holds more than {MAX_ROWS:,} rows", fix, file=str(file)))
        row: Row | _Fault
        if isinstance(values, dict):
            result.columns.update(dict.fromkeys(values))
            row = read(values, entry)
        elif isinstance(values, BadRecord):
            row = values.problem, values.fix
        else:
            row = "is no JSON object", "write {…} with the columns"
        if isinstance(row, Row):
            result.rows.append(row)
            continue
        result.bad += 1
        if result.bad <= MAX_FINDINGS:
            problem, fix = row
            result.findings.append(Finding(f"row {number} {problem}", fix, file=str(file), line=line))


def _alpaca(values: dict[str, Any], entry: DatasetEntry) -> Row | _Fault:
    columns = entry.columns
    question, query = text_in(values, columns.prompt), text_in(values, columns.query)
    if question is None or isinstance(question, NotText):
        return f"has no text in {columns.prompt}, the question", "give it one, or name another column"
    if not question.strip():
        return f"has an empty {columns.prompt}, the question", "give it a text"
    if isinstance(query, NotText):
        return f"has no text in {columns.query}", "write one, or leave it out"
    gold = _gold(values, columns.gold)
    if isinstance(gold, tuple):
        return gold
    system = text_in(values, columns.system)
    if isinstance(system, NotText):
        return f"has no text in {columns.system}", "write one, or leave it out"
    history = _history(values.get(columns.history) if columns.history else None)
    if history is None:
        return f"has no list of [question, answer] pairs in {columns.history}", "write it as one, or leave it out"
    return Row(f"{question}\n{query}" if query else question, gold, system or None, history, values)


def _conversation(values: dict[str, Any], entry: DatasetEntry) -> Row | _Fault:
    columns = entry.columns
    column = columns.messages or ""
    found = read_conversation(values.get(column), column, entry.tags, needs_reply=columns.gold is None)
    if isinstance(found, tuple):
        return found
    system = text_in(values, columns.system)
    if isinstance(system, NotText):
        return f"has no text in {columns.system}", "write one, or leave it out"
    gold = _gold(values, columns.gold) if columns.gold else gold_answer(found.reply or "")
    if isinstance(gold, tuple):
        return gold
    if not gold:
        return "has no answer behind #### in its last turn", "give it one"
    return Row(found.question, gold, found.system or system or None, found.history, values)


def _gold(values: dict[str, Any], column: str | None) -> str | _Fault:
    text = text_in(values, column)
    gold = gold_answer(text) if isinstance(text, str) else ""
    return gold or (f"has no text or number in {column}, the gold answer", "give it one")


def _history(value: Any) -> tuple[tuple[str, str], ...] | None:
    """Earlier turns, or None where the column holds something else."""
    if value is None or value == "":  # a cell of a CSV file cannot be left out
        return ()
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        return None
    if not all(isinstance(part, str) for pair in value for part in pair):
        return None
    return tuple((question, answer) for question, answer in value)
