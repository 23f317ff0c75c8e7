"""How does a data set that is named by its place elsewhere, mostly on the hub, come to this machine?"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grpoctl.data.dataset_info import FoundEntry, find_entry
from grpoctl.data.entry import DatasetEntry
from grpoctl.data.hub import fetched_file
from grpoctl.data.plain import LEFT_OUT, plain
from grpoctl.digits.fetch import fetch_digits
from grpoctl.errors import GrpoctlError
from grpoctl.paths import user_path
from grpoctl.recipe.schema import Recipe

# How long the hub may take to say that it is there. Without it, `datasets` asks again for 24 s where the name does not
# resolve, and for minutes where packets are dropped.
_PROBE_S = 8.0


def fetch_datasets(recipe: Recipe) -> bool:
    """Download the data sets that the recipe names and this machine lacks; whether there was any."""
    if recipe.reads_pictures:
        return fetch_digits(recipe)
    folder = user_path(recipe.dataset_dir)
    named = dict.fromkeys((*recipe.dataset, *recipe.eval_dataset))
    found = [find_entry(name, folder, recipe.cache_dir) for name in named]
    entries = [each.entry for each in found if isinstance(each, FoundEntry) and each.entry.file_name is None]
    missing = {fetched_file(entry, recipe.cache_dir): entry for entry in entries}
    for file, entry in missing.items():
        _fetch(entry, file)
    return bool(missing)


def _fetch(entry: DatasetEntry, file: Path) -> None:
    name = entry.hf_hub_url or ""
    print(f"fetching {name} ({entry.split}) from the Hugging Face hub …", file=sys.stderr, flush=True)
    try:
        import datasets

        with _quick_to_fail(name):
            rows = datasets.load_dataset(name, entry.subset, split=entry.split, data_dir=entry.folder)
        _write_rows(rows, file)
    except Exception as error:  # no network, no such name, no room: each library below has its own errors
        raise GrpoctlError(
            f"{name}: cannot be fetched from the Hugging Face hub ({_reason(error)}); copy its files here and name "
            "them, as in dataset: path/to/train.jsonl."
        ) from error


@contextmanager
def _quick_to_fail(name: str) -> Iterator[None]:
    """Asks the hub once; where it cannot be reached, what an earlier program has left in its cache is used."""
    import datasets
    import huggingface_hub
    from huggingface_hub import constants

    try:
        huggingface_hub.HfApi().dataset_info(name, timeout=_PROBE_S)
    except Exception as error:
        if not _is_no_network(error):
            raise
        usual = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
        try:
            yield
        except Exception:
            raise error from None  # which says more than that the cache is empty
        finally:
            constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = usual
        return
    yield


def _is_no_network(error: Exception) -> bool:
    """Whether the hub was not reached at all, rather than that it answered with a refusal."""
    return getattr(error, "response", None) is None


def _write_rows(rows: Any, file: Path) -> None:
    """All rows as JSONL, beside the file and then in its place, so that what is there is whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            for row in rows:
                held = {column: plain(value) for column, value in row.items()}
                kept = {column: value for column, value in held.items() if value is not LEFT_OUT}
                stream.write(json.dumps(kept, ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"this Python lacks {error.name}: pip install {error.name}"
    return f"{type(error).__name__}: {error}".partition("\n")[0][:160]
