"""Where is a model on this machine? Looks at folders and at Hugging Face's cache, never at the network."""

import json
import os
import re
from pathlib import Path
from typing import Any

from grpoctl import shipped
from grpoctl.errors import nearest
from grpoctl.paths import is_file, is_folder, user_path
from grpoctl.recipe.schema import Recipe, is_maxtext_checkpoint

# What reading a head that is none ends in.
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, MemoryError)
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def find_model(name: str, revision: str = "main", cache_dir: str | None = None) -> Path | None:
    """The folder of a built-in model, a local folder, or a snapshot that was downloaded before."""
    if name in shipped.MODELS:
        return shipped.MODELS[name]
    if is_remote(name):
        return _snapshot(name, revision, cache_dir) if _HUB_NAME.fullmatch(name) else None
    return user_path(name)


def find_base(recipe: Recipe) -> Path | None:
    """The folder of the model that a recipe begins with. A network of hidden_sizes begins with chance, so any does; a
    MaxText checkpoint holds weights alone, and what else there is to know is with the tokenizer."""
    if recipe.reads_pictures:
        return Path()
    if is_maxtext_checkpoint(recipe.model_name_or_path):
        return find_tokenizer(recipe)
    return find_model(str(recipe.model_name_or_path), recipe.model_revision, recipe.cache_dir)


def find_tokenizer(recipe: Recipe) -> Path | None:
    """The folder of the recipe's tokenizer, which is the model's own unless it names another."""
    name = recipe.tokenizer_name_or_path or recipe.model_name_or_path
    return None if name is None else find_model(name, recipe.model_revision, recipe.cache_dir)


def is_remote(name: str) -> bool:
    """Whether a name can only be had from elsewhere: a bucket, or a hub name of which no folder stands here."""
    if name in shipped.MODELS:
        return False
    if "://" in name:
        return True
    return _HUB_NAME.fullmatch(name) is not None and not is_folder(Path(name))


def fault_of_name(name: str) -> tuple[str, str] | None:
    """Problem and fix of a name that no model can have, here or on the hub."""
    if name.startswith(("http://", "https://")):
        return "is an address", f"use the name in it, such as {'/'.join(name.split('/')[3:5]) or 'Qwen/Qwen3-0.6B'}"
    if "://" in name and not name.startswith("gs://"):
        return "is in a store that is not read", "use a folder, a Hugging Face name or a gs:// path"
    if name.endswith(".gguf"):
        return "is a GGUF file, which cannot be trained", "use the Hugging Face model that it was made from"
    if is_file(Path(name)):
        return "is a file", "give the folder that it is in"
    if "/" not in name and not is_folder(Path(name)) and name not in shipped.MODELS:
        close = nearest(name, shipped.MODELS)
        return ("is no model", f"did you mean {close}?") if close else None
    return None


def fault_of_folder(folder: Path) -> tuple[str, str] | None:
    """Problem and fix of a model folder that is not whole, read from its files' sizes and heads alone."""
    if not is_file(folder / "config.json"):
        return "has no config.json", "give a whole Hugging Face folder"
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        return "has no safetensors weights", "download them, or convert the ones it has"
    for file in weights:
        if file.stat().st_size < _safetensors_size(file):
            return f"has a {file.name} that is cut short", "download it again"
    return None


def layers_of(folder: Path) -> set[str]:
    """The names of the model's layers that multiply, by the heads of its weights; none where these are not readable."""
    try:
        tensors = [item for file in folder.glob("*.safetensors") for item in _head(file)[1].items()]
        return {
            name.removesuffix(".weight")
            for name, tensor in tensors
            if name.endswith(".weight") and len(tensor["shape"]) > 1
        }
    except (OSError, *_BROKEN):
        return set()


def _safetensors_size(file: Path) -> float:
    """The size that a safetensors file's head promises; infinite where the head itself is broken."""
    try:
        head_size, head = _head(file)
        return 8 + head_size + max((tensor["data_offsets"][1] for tensor in head.values()), default=0)
    except _BROKEN:
        return float("inf")


def _head(file: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """How many bytes a safetensors file's head has, and what it says of each tensor."""
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        head = json.loads(stream.read(min(size, 100_000_000)))
    return size, {name: tensor for name, tensor in head.items() if name != "__metadata__"}


def hub_cache(cache_dir: str | None = None) -> Path:
    """The folder that Hugging Face's libraries download into."""
    if cache_dir is not None:
        return user_path(cache_dir)
    if "HF_HUB_CACHE" in os.environ:
        return user_path(os.environ["HF_HUB_CACHE"])
    return user_path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub"


def _snapshot(name: str, revision: str, cache_dir: str | None) -> Path | None:
    kept = hub_cache(cache_dir) / f"models--{name.replace('/', '--')}"
    reference = kept / "refs" / revision
    try:
        commit = reference.read_text(encoding="utf-8").strip() if is_file(reference) else revision
        snapshot = kept / "snapshots" / commit
        return snapshot if is_folder(snapshot) else None
    except (OSError, ValueError):
        return None
