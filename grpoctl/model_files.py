"""Where is a model on this machine? Looks at folders and at Hugging Face's cache, never at the network."""

import os
import re
from pathlib import Path

from grpoctl import shipped
from grpoctl.paths import is_file, is_folder, user_path

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def find_model(name: str, revision: str = "main", cache_dir: str | None = None) -> Path | None:
    """The folder of a built-in model, a local folder, or a snapshot that was downloaded before."""
    if name in shipped.MODELS:
        return shipped.MODELS[name]
    if is_remote(name):
        return _snapshot(name, revision, cache_dir) if _HUB_NAME.fullmatch(name) else None
    return user_path(name)


def is_remote(name: str) -> bool:
    """Whether a name can only be had from elsewhere: a bucket, or a hub name of which no folder stands here."""
    if name in shipped.MODELS:
        return False
    if "://" in name:
        return True
    return _HUB_NAME.fullmatch(name) is not None and not is_folder(Path(name))


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
