"""What is wrong with an entry of dataset_info.json?"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from grpoctl.data.entry import COLUMNS, TAGS, DatasetEntry
from grpoctl.errors import Finding, shown
from grpoctl.recipe.validate import Locate, validate

_REFUSED = {
    "ranking": ("holds preference pairs", "use a data set of questions with answers"),
    "script_url": ("runs code from the network", "use file_name or hf_hub_url"),
    "cloud_file_name": ("is not read here", "copy the file and use file_name"),
    "columns.chosen": ("belongs to preference training", "use columns.answer"),
    "columns.rejected": ("belongs to preference training", "use columns.answer"),
    "columns.kto_tag": ("belongs to KTO", "use columns.answer"),
    "columns.tools": ("is not taken here", "prompts have no tools"),
    "columns.images": ("is not taken here", "grpoctl trains on text alone"),
    "columns.videos": ("is not taken here", "grpoctl trains on text alone"),
    "columns.audios": ("is not taken here", "grpoctl trains on text alone"),
}

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_SPLIT = re.compile(r"\w[\w.-]*")


def read_entry(name: str, values: Any, at: Locate) -> DatasetEntry | list[Finding]:
    """The entry that the values make, or all that is wrong with them."""

    def fault(problem: str, fix: str, *key: str) -> Finding:
        file, line = at(key)
        return Finding(problem, fix, key=".".join(key) or name, file=file, line=line)

    if not isinstance(values, dict):
        return [fault("is no mapping", f'write "{name}": {{"file_name": …}}')]
    findings = [fault(problem, fix, *path) for path, problem, fix in _refusals(values)]
    # Their defaults follow from `formatting`, so an empty one cannot be told its default by validate().
    empty = [key for key in ("columns", "tags") if key in values and values[key] is None]
    findings += [fault("is empty", "name what it stands for, or take it out", key) for key in empty]
    entry, wrong = validate(DatasetEntry, {key: value for key, value in values.items() if key not in empty}, at)
    # A wrong `formatting` leaves `columns` without a default, which is no fault of theirs.
    findings += [each for each in wrong if each.key not in _REFUSED and each.key.split(".")[0] in values]
    if findings:
        return findings
    return [fault(problem, fix, *path) for path, problem, fix in _clashes(entry)] or entry


_Fault = tuple[tuple[str, ...], str, str]


def _refusals(values: Mapping[str, Any]) -> Iterator[_Fault]:
    for dotted, (problem, fix) in _REFUSED.items():
        outer, _, inner = dotted.partition(".")
        held = values.get("columns") if inner else values
        if isinstance(held, dict) and held.get(inner or outer) not in (None, False):
            yield tuple(dotted.split(".")), problem, fix


def _clashes(entry: DatasetEntry) -> Iterator[_Fault]:
    """What is right on its own and makes no sense together."""
    if not entry.file_name and not entry.hf_hub_url:
        yield (), "names no file_name and no hf_hub_url", "add one"
    yield from _odd_names(entry)
    yield from _conversation_faults(entry) if entry.is_conversation else _alpaca_faults(entry)


def _odd_names(entry: DatasetEntry) -> Iterator[_Fault]:
    hub = entry.hf_hub_url
    if hub is not None and HUB_NAME.fullmatch(hub) is None:
        inside = re.search(r"datasets/([\w.-]+/[\w.-]+)", hub)
        yield ("hf_hub_url",), f"is {shown(hub)}", f"write {inside[1] if inside else 'openai/gsm8k'}, the name alone"
    if _SPLIT.fullmatch(entry.split) is None:
        fix = "name one split; num_samples and max_samples bound its rows"
        yield ("split",), f"is {shown(entry.split)}", fix
    if entry.subset is not None and ("/" in entry.subset or entry.subset.startswith(".")):
        yield ("subset",), f"is {shown(entry.subset)}", "write a name; a folder of the data set goes into folder"


def _alpaca_faults(entry: DatasetEntry) -> Iterator[_Fault]:
    columns = entry.columns
    if entry.tags != TAGS["alpaca"]:
        yield ("tags",), "belongs to conversations", 'add "formatting": "sharegpt", or take it out'
    if columns.messages is not None:
        yield ("columns", "messages"), "belongs to conversations", 'add "formatting": "sharegpt" or "openai"'
    elif columns.prompt is None:
        fix = 'add "prompt": "instruction", or whatever the column is called'
        yield ("columns",), "leaves out the question", fix
    elif columns.gold is None:
        yield ("columns",), "leaves out the gold answer", 'add "answer": and the name of its column'


def _conversation_faults(entry: DatasetEntry) -> Iterator[_Fault]:
    columns, tags, usual = entry.columns, entry.tags, TAGS[entry.formatting]
    for meaning in ("prompt", "query", "history"):
        if getattr(columns, meaning) is not None:
            fix = f'take it out, or take "formatting": "{entry.formatting}" out'
            yield ("columns", meaning), "belongs to alpaca rows", fix
    if columns.messages is None:
        fix = f'add "messages": "{COLUMNS[entry.formatting].messages}", or whatever the column is called'
        yield ("columns",), "leaves out the conversation", fix
    needed = ["role_tag", "content_tag", "user_tag"] + ["assistant_tag"] * (columns.gold is None)
    for name in needed:
        if getattr(tags, name) is None:
            fix = f'add "{name}": "{getattr(usual, name)}", or whatever the rows have'
            yield ("tags",), f"leaves out {name}", fix
