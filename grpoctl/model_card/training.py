"""What trained a model, on which data, with which versions?"""

import re
from collections.abc import Iterable
from typing import Any

from grpoctl.data.dataset_info import find_entry
from grpoctl.data.named_path import is_path_like
from grpoctl.model_card.text import as_yaml, fenced, last_part, markdown_table, model_name
from grpoctl.paths import user_path
from grpoctl.recipe.keys.output import ExportKeys
from grpoctl.recipe.load import read_recipe_text
from grpoctl.recipe.schema import SECTIONS, Recipe
from grpoctl.run.directory import RunDirectory

# Keys that say where something stands or goes, and nothing of what the model learned.
_NOT_TOLD = {
    "output_dir",
    "overwrite_output_dir",
    "dataset_dir",
    "cache_dir",
    "resume_from_checkpoint",
    "run_name",
    "report_to",
    "vllm_server_host",
    "vllm_server_port",
    *ExportKeys.model_fields,
}
_MODELS = ("model_name_or_path", "tokenizer_name_or_path", "adapter_name_or_path")
_FILES = ("dataset", "eval_dataset", "deepspeed")
_TEXTS = ("system_prompt", "default_system")
_A_PATH = re.compile(r"(/|~|\.\.?[/\\]|\\\\|[A-Za-z]:[/\\]).*")


def training(run: RunDirectory, manifest: dict[str, Any]) -> str:
    """The keys that the user gave, in the file or by key=value, in the order of the documentation."""
    try:
        text = run.recipe.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    recipe = read_recipe_text(text, run.recipe.name, [str(word) for word in manifest.get("overrides") or []]).recipe
    if recipe is None:
        return ""
    given = recipe.model_dump(mode="json", exclude_unset=True)
    order = [name for section in SECTIONS for name in section.model_fields]
    told = {name: _told(name, given[name]) for name in order if name in given and name not in _NOT_TOLD}
    return f"## Training\n\n{fenced('yaml', as_yaml(told))}"


def _told(key: str, value: Any) -> Any:
    """A value as others may see it: of a path its last part, of an address nothing."""
    if isinstance(value, dict):
        inner = {name: _told(name, part) for name, part in value.items() if part != {} and not _is_address(part)}
        return inner["use"] if set(inner) == {"use"} else inner
    if isinstance(value, list):
        return [_told(key, part) for part in value]
    if not isinstance(value, str) or key in _TEXTS:
        return value
    if key in _MODELS:
        return model_name(value)
    return last_part(value) if key in _FILES or _A_PATH.fullmatch(value) else value


def _is_address(value: object) -> bool:
    return isinstance(value, str) and "://" in value


def data(recipe: Recipe, manifest: dict[str, Any]) -> str:
    """The data sets by name, and the files that were read, with their hashes."""
    hub = hub_names((*recipe.dataset, *recipe.eval_dataset), recipe)
    used = {"Trained on": recipe.dataset, "Evaluated on": recipe.eval_dataset}
    named = {
        what: ", ".join(f"{last_part(name)} ({hub[name]})" if hub.get(name) else last_part(name) for name in names)
        for what, names in used.items()
    }
    parts = [" ".join(f"{what} {names}." for what, names in named.items() if names)]
    files = [*(manifest.get("data") or []), *(manifest.get("rewards") or [])]
    if files:
        # How many rows a file has is in the manifests of some versions alone.
        columns = [name for name in ("rows", "bytes", "sha256") if any(name in entry for entry in files)]
        rows = [[last_part(str(entry.get("file"))), *(_cell(entry.get(name)) for name in columns)] for entry in files]
        parts.append(markdown_table([["file", *columns], *rows]))
    return "## Data\n\n" + "\n\n".join(filter(None, parts)) if any(parts) else ""


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "-" if value is None else f"`{value}`"


def hub_names(names: Iterable[str], recipe: Recipe) -> dict[str, str | None]:
    """The place on the hub of each data set that has one, by dataset_info.json."""
    places: dict[str, str | None] = {}
    for name in names:
        if not is_path_like(name):
            found = find_entry(name, user_path(recipe.dataset_dir), recipe.cache_dir)
            places[name] = None if isinstance(found, list) else found.entry.hf_hub_url
    return places


def versions(manifest: dict[str, Any]) -> str:
    held = manifest.get("versions") or {}
    said = ", ".join(f"{name} {version}" for name, version in held.items() if version)
    return f"## Versions\n\nTrained with {said}." if said else ""
