"""Which columns hold the question and the gold answer of a file that has no entry?"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from grpoctl.data.cells import text_in
from grpoctl.data.entry import TAGS, Columns, DatasetEntry, Tags
from grpoctl.data.files import find_files, kind_of
from grpoctl.data.records import read_records
from grpoctl.data.texts import fault
from grpoctl.errors import DataError

PROMPTS = ("instruction", "question", "problem", "prompt", "input", "query")
ANSWERS = ("answer", "gold", "final_answer", "target", "output", "response", "solution", "completion")
CONVERSATIONS = ("messages", "conversations", "conversation", "prompt")

_LOOKED_AT = 20
_SEARCHED = 10_000  # bad rows among them are told by those who read the rows


@dataclass(frozen=True, slots=True)
class Guess:
    """An entry for the file, and what was guessed for it, to be told: {"prompt": "question", "answer": "answer"}."""

    entry: DatasetEntry
    told: dict[str, str]


def guess_in_words(told: dict[str, str]) -> str:
    """What was guessed, for people."""
    said = {"formatting": "{} rows"}
    return ", ".join(said.get(meaning, f"{meaning} from {{}}").format(column) for meaning, column in told.items())


def guess_entry(path: Path, split: str, info_file: Path) -> Guess:
    """The entry that fits the first rows, or DataError with the one to write."""
    file_name = path.name or "."
    files = find_files(path, split)
    some = (values for _, values in islice(read_records(files[0]), _SEARCHED) if isinstance(values, dict))
    records = list(islice(some, _LOOKED_AT))
    if not records:  # reading the rows will say what is wrong with them
        return Guess(DatasetEntry(file_name=file_name, split=split), {})
    columns = dict.fromkeys(name for values in records for name in values)
    answer = _first_text(ANSWERS, records)
    conversation = next((name for name in CONVERSATIONS if _is_conversation(name, records)), None)
    if conversation is not None:
        formatting, tags = _tags(conversation, records)
        chosen = {"messages": conversation, "answer": answer, "system": _first_text(("system",), records)}
        found = {meaning: name for meaning, name in chosen.items() if name}
        entry = DatasetEntry(
            file_name=file_name, split=split, formatting=formatting, columns=Columns(**found), tags=tags
        )
        return Guess(entry, {"formatting": formatting, **found})
    prompt = _first_text(PROMPTS, records)
    if prompt is None or answer is None:
        raise _nothing_fits(path, columns, prompt, answer, info_file)
    fitting = {"prompt": prompt, "answer": answer}
    if prompt == "instruction":
        query = _first_text(("input",), records)
        fitting |= {"query": query} if query else {}
        fitting |= {"history": "history"} if any(isinstance(each.get("history"), list) for each in records) else {}
    system = _first_text(("system",), records)
    fitting |= {"system": system} if system else {}
    return Guess(DatasetEntry(file_name=file_name, split=split, columns=Columns(**fitting)), fitting)


def _first_text(names: Iterable[str], records: Sequence[dict[str, Any]]) -> str | None:
    return next((name for name in names if any(isinstance(text_in(values, name), str) for values in records)), None)


def _turns(name: str, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    lists = [values.get(name) for values in records]
    return [turn for turns in lists if isinstance(turns, list) for turn in turns if isinstance(turn, dict)]


def _is_conversation(name: str, records: Sequence[dict[str, Any]]) -> bool:
    return any(("role" in turn or "from" in turn) for turn in _turns(name, records))


def _tags(name: str, records: Sequence[dict[str, Any]]) -> tuple[Any, Tags]:
    """The format by the turns' keys, with the roles as the rows write them."""
    turns = _turns(name, records)
    keys = Counter(key for turn in turns for key in turn)
    formatting = "openai" if keys["role"] > keys["from"] else "sharegpt"  # an odd row among them is a bad row
    usual, other = TAGS[formatting], TAGS["sharegpt" if formatting == "openai" else "openai"]
    content = usual.content_tag if usual.content_tag in keys else other.content_tag
    roles = {turn.get(usual.role_tag or "") for turn in turns}
    changed = {"content_tag": content} | {
        tag: getattr(other, tag)
        for tag in ("user_tag", "assistant_tag")
        if getattr(usual, tag) not in roles and getattr(other, tag) in roles
    }
    return formatting, usual.model_copy(update=changed)


def _nothing_fits(
    path: Path, columns: Iterable[str], prompt: str | None, answer: str | None, info_file: Path
) -> DataError:
    beside = path.is_relative_to(info_file.parent)
    file_name = path.relative_to(info_file.parent) if beside else path.absolute()
    named = {"prompt": prompt or "…", "answer": answer or "…"}
    entry = json.dumps({"file_name": str(file_name), "columns": named}, ensure_ascii=False)
    lacking = "the question" if prompt is None else "the gold answer"
    names = ", ".join(list(columns)[:12])
    header = "its first line has to name them; or " if kind_of(path) in ("CSV", "TSV") else ""
    fix = f'{header}write "{path.stem or "mine"}": {entry} into {info_file}, and its name into the recipe'
    return fault(path, f"has the columns {names}, none known to be {lacking}", fix)
