"""Which file or hub name does a data set's name stand for, and which column means what?

Reads LLaMA-Factory's dataset_info.json, so that one file serves both programs, and adds `columns.answer`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from grpoctl import shipped
from grpoctl.errors import Finding, nearest
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
    """A file, or a folder of files, below the folder of dataset_info.json."""
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
    "ranking": "holds preference pairs; use a data set of questions with answers",
    "script_url": "runs code from the network; use file_name or hf_hub_url",
    "cloud_file_name": "is not read here; copy the file and use file_name",
    "columns.chosen": "belongs to preference training; use columns.answer",
    "columns.rejected": "belongs to preference training; use columns.answer",
    "columns.kto_tag": "belongs to KTO; use columns.answer",
    "columns.tools": "is not taken here; prompts have no tools",
    "columns.images": "is not taken here; grpoctl trains on text alone",
    "columns.videos": "is not taken here; grpoctl trains on text alone",
    "columns.audios": "is not taken here; grpoctl trains on text alone",
}


def find_entry(name: str, dataset_dir: Path) -> tuple[DatasetEntry, Path] | list[Finding]:
    """The entry of a data set and the folder its files are in, or what is wrong.

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
            problems = parsed.findings or [
                Finding("holds no data sets", "write {name: {file_name: …}}", file=str(path))
            ]
            return problems
        if name in parsed.value:
            found = _entry(name, parsed, str(path))
            return found if isinstance(found, list) else (found, folder)
        known += parsed.value
    close = nearest(name, known)
    fix = (
        f"did you mean {close}?" if close else f"add it to {dataset_dir / FILE_NAME}, or use one of {', '.join(known)}"
    )
    return [Finding(f"names {name[:60]}, which no {FILE_NAME} has", fix, key="dataset")]


def _parse(path: Path) -> YamlText | Finding:
    text = yaml_text.read_text(path, str(path), max_bytes=4 * yaml_text.MAX_BYTES)
    return text if isinstance(text, Finding) else yaml_text.parse(text, str(path))


def _entry(name: str, parsed: YamlText, file: str) -> DatasetEntry | list[Finding]:
    def at(path: KeyPath) -> tuple[str, int | None]:
        for end in range(len(path), -1, -1):
            if (name, *path[:end]) in parsed.lines:
                return file, parsed.lines[(name, *path[:end])]
        return file, None

    values = parsed.value[name]
    if not isinstance(values, dict):
        return [Finding("is no mapping", f'write "{name}": {{"file_name": …}}', key=name, file=file, line=at(())[1])]
    refused = list(_refusals(values, at))
    entry, findings = validate(DatasetEntry, values, at)
    findings = refused + [finding for finding in findings if finding.key not in _REFUSED]
    if not entry.file_name and not entry.hf_hub_url and not findings:
        findings = [Finding("names no file_name and no hf_hub_url", "add one", key=name, file=file, line=at(())[1])]
    return findings or entry


def _refusals(values: dict[str, Any], at: Any) -> Iterator[Finding]:
    columns = values.get("columns")
    for dotted, words in _REFUSED.items():
        outer, _, inner = dotted.partition(".")
        held = columns if inner else values
        if isinstance(held, dict) and held.get(inner or outer) not in (None, False):
            problem, _, fix = words.partition("; ")
            file, line = at(tuple(dotted.split(".")))
            yield Finding(problem, fix, key=dotted, file=file, line=line)
