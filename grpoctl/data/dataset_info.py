"""Which file or hub name does a data set's name stand for, and which column means what?

Reads LLaMA-Factory's dataset_info.json, so that one file serves both programs, and adds `columns.answer`.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from grpoctl import shipped
from grpoctl.errors import Finding, nearest, shown
from grpoctl.paths import is_file
from grpoctl.recipe import yaml_text
from grpoctl.recipe.keys.base import Keys, Word, key
from grpoctl.recipe.validate import validate
from grpoctl.recipe.yaml_text import KeyPath, YamlText

FILE_NAME = "dataset_info.json"


class Columns(Keys):
    """Which column of a row means what. Giving `columns` at all leaves out every column that it does not name."""

    prompt: Word | None = key(None)
    """The question."""
    query: Word | None = key(None)
    """More of the question, on a line of its own below it."""
    response: Word | None = key(None)
    """The answer; the gold answer where `answer` is not given."""
    history: Word | None = key(None)
    """Earlier turns, as [question, answer] pairs."""
    system: Word | None = key(None)
    """The system turn."""
    answer: Word | None = key(None)
    """The gold answer that rewards compare with."""


ALPACA = Columns(prompt="instruction", query="input", response="output", history="history", system="system")


class DatasetEntry(Keys):
    """One data set of dataset_info.json."""

    file_name: Word | None = key(None)
    """A file below the folder of dataset_info.json."""
    hf_hub_url: Word | None = key(None)
    """A data set of the Hugging Face hub."""
    ms_hub_url: Word | None = key(None)
    """LLaMA-Factory's ModelScope name; not used here."""
    om_hub_url: Word | None = key(None)
    """LLaMA-Factory's Modelers name; not used here."""
    subset: Word | None = key(None)
    """Name of a part of a hub data set."""
    split: Word = key("train")
    """Split of a hub data set."""
    folder: Word | None = key(None)
    """Folder of a hub data set."""
    num_samples: int | None = key(None, ge=1)
    """Rows to use at most."""
    formatting: Literal["alpaca"] = key("alpaca")
    """How a row is laid out."""
    columns: Columns = key(ALPACA)
    """Which column means what."""


_REFUSED = {
    "ranking": ("holds preference pairs", "use a data set of questions with answers"),
    "script_url": ("runs code from the network", "use file_name or hf_hub_url"),
    "cloud_file_name": ("is not read here", "copy the file and use file_name"),
    "tags": ("belongs to sharegpt rows", "convert them to alpaca rows"),
    "columns.messages": ("belongs to sharegpt rows", "convert them to alpaca rows"),
    "columns.chosen": ("belongs to preference training", "use columns.answer"),
    "columns.rejected": ("belongs to preference training", "use columns.answer"),
    "columns.kto_tag": ("belongs to KTO", "use columns.answer"),
    "columns.tools": ("is not taken here", "prompts have no tools"),
    "columns.images": ("is not taken here", "grpoctl trains on text alone"),
    "columns.videos": ("is not taken here", "grpoctl trains on text alone"),
    "columns.audios": ("is not taken here", "grpoctl trains on text alone"),
}


@dataclass(frozen=True)
class FoundEntry:
    """An entry, the folder that its files are in, and where each of its keys was written."""

    entry: DatasetEntry
    folder: Path
    at: Callable[[KeyPath], tuple[str, int | None]]


def find_entry(name: str, dataset_dir: Path) -> FoundEntry | list[Finding]:
    """The entry of a data set, or what is wrong.

    A name that the user's own dataset_info.json lacks is looked up in the one that comes with grpoctl.
    """
    known: list[str] = []
    for folder in dict.fromkeys((dataset_dir, shipped.DATA)):
        path = folder / FILE_NAME
        if not is_file(path):
            continue
        parsed = _parse(path)
        if not isinstance(parsed, YamlText):
            return [parsed]
        if not isinstance(parsed.value, dict):
            return parsed.findings or [Finding("holds no data sets", "write {name: {file_name: …}}", file=str(path))]
        if name in parsed.value:
            return _entry(name, parsed, path)
        known += parsed.value
    close = nearest(name, known)
    add = f'add "{name[:60]}": {{"file_name": "….json"}} to {dataset_dir / FILE_NAME}'
    fix = f"did you mean {close}?" if close else f"{add}, or use one of {', '.join(dict.fromkeys(known))}"
    return [Finding(f"names {shown(name)}, which no {FILE_NAME} has", fix, key="dataset")]


def files_of(names: Iterable[str], dataset_dir: Path) -> list[Path]:
    """The files of data sets that are on this machine."""
    found = [find_entry(name, dataset_dir) for name in names]
    return [
        each.folder / each.entry.file_name for each in found if isinstance(each, FoundEntry) and each.entry.file_name
    ]


def _parse(path: Path) -> YamlText | Finding:
    """The file as strict JSON, which is all that LLaMA-Factory reads, with the line of each key."""
    text = yaml_text.read_text(path, str(path), max_bytes=4 * yaml_text.MAX_BYTES)
    if isinstance(text, Finding):
        return text
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return Finding(f"is not JSON ({error.msg})", "mend it here", file=str(path), line=error.lineno)
    except (ValueError, RecursionError) as error:
        return Finding(f"is not JSON ({str(error)[:80]})", "mend it", file=str(path))
    parsed = yaml_text.parse(text, str(path), max_values=20_000)
    # JSON's escaped pairs (an emoji by json.dumps) are no YAML: such a file is read without its lines.
    return parsed if all(finding.key for finding in parsed.findings) else YamlText(json.loads(text))


def _entry(name: str, parsed: YamlText, path: Path) -> FoundEntry | list[Finding]:
    file = str(path)

    def at(path: KeyPath) -> tuple[str, int | None]:
        for end in range(len(path), -1, -1):
            if (name, *path[:end]) in parsed.lines:
                return file, parsed.lines[(name, *path[:end])]
        return file, None

    def fault(problem: str, fix: str, *key: str) -> list[Finding]:
        return [Finding(problem, fix, key=".".join(key) or name, file=file, line=at(key)[1])]

    twice = [finding for finding in parsed.findings if finding.key.split(".")[0] == name]
    if twice:
        return twice
    values = parsed.value[name]
    if not isinstance(values, dict):
        return fault("is no mapping", f'write "{name}": {{"file_name": …}}')
    if values.get("formatting") in ("sharegpt", "openai"):
        return fault(f"is {values['formatting']}", "convert the rows to alpaca, which this version reads", "formatting")
    refused = list(_refusals(values, at))
    entry, findings = validate(DatasetEntry, values, at)
    findings = refused + [finding for finding in findings if finding.key not in _REFUSED]
    if findings:
        return findings
    if not entry.file_name and not entry.hf_hub_url:
        return fault("names no file_name and no hf_hub_url", "add one")
    if entry.columns.prompt is None:
        return fault(
            "leaves out the question", 'add "prompt": "instruction", or whatever the column is called', "columns"
        )
    if entry.columns.answer is None and entry.columns.response is None:
        return fault("leaves out the gold answer", 'add "answer": and the name of its column', "columns")
    return FoundEntry(entry, path.parent, at)


def _refusals(values: dict[str, Any], at: Any) -> Iterator[Finding]:
    columns = values.get("columns")
    for dotted, (problem, fix) in _REFUSED.items():
        outer, _, inner = dotted.partition(".")
        held = columns if inner else values
        if isinstance(held, dict) and held.get(inner or outer) not in (None, False):
            file, line = at(tuple(dotted.split(".")))
            yield Finding(problem, fix, key=dotted, file=file, line=line)
