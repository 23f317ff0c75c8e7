"""Where on this machine is a data set of the Hugging Face hub? Looks at folders, never at the network."""

from pathlib import Path

from grpoctl.data.entry import DatasetEntry
from grpoctl.data.files import has_split
from grpoctl.errors import DataError
from grpoctl.model_files import hub_cache
from grpoctl.paths import is_file, is_folder


def local_copy(entry: DatasetEntry, name: str, dataset_dir: Path, cache_dir: str | None = None) -> Path | None:
    """The folder that holds the split, beside the user's data or as the data folder itself, or the fetched file."""
    names = dict.fromkeys((name, (entry.hf_hub_url or "").rpartition("/")[2]))
    folders = [dataset_dir / each for each in names if each and "/" not in each]
    if dataset_dir.absolute().name in names:
        folders.append(dataset_dir)
    # The hub's data sets have their files in a folder of the subset, in data/, or at the top.
    inner = [part for part in (entry.subset, entry.folder, "data", ".") if part]
    for place in (folder / part for folder in folders for part in inner):
        if is_folder(place) and _has_split(place, entry.split):
            return place
    fetched = fetched_file(entry, cache_dir)
    return fetched if is_file(fetched) else None


def fetched_file(entry: DatasetEntry, cache_dir: str | None = None) -> Path:
    """Where a split that was fetched is kept, as JSONL.

    Beside Hugging Face's own `hub` folder, which has to hold nothing else; inside a cache folder of another name,
    which the user gave for all that is downloaded.
    """
    cache = hub_cache(cache_dir)
    home = cache.parent if cache.name == "hub" else cache
    part = "--".join(filter(None, (entry.subset or "default", (entry.folder or "").replace("/", "--"))))
    name = (entry.hf_hub_url or "").replace("/", "--")
    return home / "grpoctl" / "datasets" / name / part / f"{entry.split}.jsonl"


def _has_split(folder: Path, split: str) -> bool:
    try:
        return has_split(folder, split)
    except DataError:  # a folder that may not be read, which is no copy
        return False
