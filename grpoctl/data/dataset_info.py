"""Which file, folder or hub name does a data set's name stand for?

Reads LLaMA-Factory's dataset_info.json, so that one file serves both programs, and adds `columns.answer`. A file or a
folder can be named without an entry.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grpoctl import shipped
from grpoctl.data.entry import DatasetEntry
from grpoctl.data.entry_faults import HUB_NAME, read_entry
from grpoctl.data.files import find_files, kind_of
from grpoctl.data.guess import guess_entry
from grpoctl.data.hub import local_copy
from grpoctl.data.named_path import Named, is_path_like, locate, siblings_of
from grpoctl.errors import DataError, Finding, nearest, shown
from grpoctl.paths import is_file, is_folder
from grpoctl.recipe import yaml_text
from grpoctl.recipe.validate import Locate
from grpoctl.recipe.yaml_text import KeyPath, YamlText

FILE_NAME = "dataset_info.json"


@dataclass(frozen=True)
class FoundEntry:
    """An entry, the folder that its files are in, and where each of its keys was written.

    Its `file_name` is None where it is on the hub and not on this machine. `guessed` holds, for a file named without
    an entry, what was taken from its first rows: {"prompt": "question", "answer": "answer"}.
    """

    entry: DatasetEntry
    folder: Path
    at: Locate
    guessed: dict[str, str] = field(default_factory=dict)


def find_entry(name: str, dataset_dir: Path, cache_dir: str | None = None) -> FoundEntry | list[Finding]:
    """The entry of a data set, or what is wrong.

    A name that the user's own dataset_info.json lacks is looked up in the one that comes with grpoctl, and then as
    the path of a file or folder.
    """
    named = locate(name, dataset_dir)
    known: dict[str, object] = {}
    for path in _info_files(dataset_dir):
        parsed = _parse(path)
        if not isinstance(parsed, YamlText) or not isinstance(parsed.value, dict):
            if named is not None:
                continue  # a file that is named by its path needs no entry
            fault = Finding("holds no data sets", "write {name: {file_name: …}}", file=str(path))
            return [parsed] if isinstance(parsed, Finding) else parsed.findings or [fault]
        if name in parsed.value:
            found = _entry(name, parsed, path)
            return found if isinstance(found, list) else _with_copy(found, name, dataset_dir, cache_dir)
        known |= {each: entry for each, entry in parsed.value.items() if each not in known}
    if named is not None:
        return _of_path(named, dataset_dir)
    return [_unknown(name, known, dataset_dir)]


def all_entries(dataset_dir: Path, cache_dir: str | None = None) -> dict[str, FoundEntry | list[Finding]]:
    """Every entry of the user's dataset_info.json and of grpoctl's own, or what is wrong with it."""
    entries: dict[str, FoundEntry | list[Finding]] = {}
    for path in _info_files(dataset_dir):
        parsed = _parse(path)
        if not isinstance(parsed, YamlText) or not isinstance(parsed.value, dict):
            raise DataError(parsed if isinstance(parsed, Finding) else parsed.findings)
        for name in parsed.value:
            if name not in entries:
                entries[name] = find_entry(name, dataset_dir, cache_dir)
    return entries


def files_of(names: Iterable[str], dataset_dir: Path, cache_dir: str | None = None) -> list[Path]:
    """The files of data sets that are on this machine."""
    return [file for name in names for file in _files(find_entry(name, dataset_dir, cache_dir))]


def _files(found: FoundEntry | list[Finding]) -> list[Path]:
    if isinstance(found, list) or found.entry.file_name is None:
        return []
    try:
        return find_files(found.folder / found.entry.file_name, found.entry.split)
    except DataError:
        return []


def _info_files(dataset_dir: Path) -> Iterator[Path]:
    files = (folder / FILE_NAME for folder in dict.fromkeys((dataset_dir, shipped.DATA)))
    return (path for path in files if is_file(path))


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
    def at(key: KeyPath) -> tuple[str, int | None]:
        for end in range(len(key), -1, -1):
            if (name, *key[:end]) in parsed.lines:
                return str(path), parsed.lines[(name, *key[:end])]
        return str(path), None

    twice = [finding for finding in parsed.findings if finding.key.split(".")[0] == name]
    entry = twice or read_entry(name, parsed.value[name], at)
    return entry if isinstance(entry, list) else FoundEntry(entry, path.parent, at)


def _with_copy(found: FoundEntry, name: str, dataset_dir: Path, cache_dir: str | None) -> FoundEntry:
    """An entry of the hub as one of the copy on this machine, where there is one."""
    if found.entry.file_name is not None:
        return found
    copy = local_copy(found.entry, name, dataset_dir, cache_dir)
    if copy is None:
        return found
    return FoundEntry(found.entry.model_copy(update={"file_name": copy.name}), copy.parent, found.at)


def _of_path(named: Named, dataset_dir: Path) -> FoundEntry | list[Finding]:
    if named.split is not None and not is_folder(named.path):
        fix = f"take :{named.split} away"
        return [Finding("is one file, which has no splits", fix, file=str(named.path))]
    try:
        guess = guess_entry(named.path, named.split or "train", dataset_dir / FILE_NAME)
    except DataError as error:
        return error.findings
    return FoundEntry(guess.entry, named.path.parent, lambda key: (str(named.path), None), guess.told)


def _unknown(name: str, known: dict[str, object], dataset_dir: Path) -> Finding:
    """A name that is no entry and no path here."""
    if is_path_like(name):
        return _missing_path(name, known, dataset_dir)
    close = nearest(name, known)
    add = f'add "{name[:60]}": {{"file_name": "….json"}} to {dataset_dir / FILE_NAME}'
    fix = f"did you mean {close}?" if close else f"{add}, or use one of {', '.join(known)}"
    return Finding(f"names {shown(name)}, which no {FILE_NAME} has", fix, key="dataset")


def _missing_path(name: str, known: dict[str, object], dataset_dir: Path) -> Finding:
    of_hub = [key for key, entry in known.items() if isinstance(entry, dict) and entry.get("hf_hub_url") == name]
    # Of the names without their endings, which are alike in themselves.
    stems = {Path(each).stem: each for each in siblings_of(name, dataset_dir)}
    close = stems.get(nearest(Path(name).stem, stems) or "")
    fix = "check the path; it starts where you are, or below dataset_dir"
    if of_hub:
        fix = f"did you mean {of_hub[0]}?"
    elif close:
        fix = f"did you mean {name[: name.rfind('/') + 1]}{close}?"
    elif "/" in name and kind_of(Path(name)) is None and HUB_NAME.fullmatch(name) and len(name) < 200:
        entry = f'"{name.rpartition("/")[2]}": {{"hf_hub_url": "{name}"}}'
        fix += f", or add {entry} with its columns to {dataset_dir / FILE_NAME}"
    return Finding(f"names {name[:200]}, and no such file or folder is here", fix, key="dataset")
