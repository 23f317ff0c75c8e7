"""Which file or folder is meant by a path that stands where a data set's name is due?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grpoctl.data.files import kind_of
from grpoctl.paths import is_folder, user_path

_WITH_SPLIT = re.compile(r"(.+):(\w[\w.-]*)")


@dataclass(frozen=True, slots=True)
class Named:
    """A path that is there, and the split that was written behind it."""

    path: Path
    split: str | None = None


def is_path_like(name: str) -> bool:
    """Whether a name can only be meant as a path: it has a separator, or the ending of a data file."""
    return "/" in name or "\\" in name or name.startswith("~") or kind_of(Path(name)) is not None


def locate(name: str, dataset_dir: Path) -> Named | None:
    """The file or folder of that name, where the user stands or below dataset_dir; `PATH:SPLIT` where no path has
    the whole name."""
    path = _there(name, dataset_dir)
    if path is not None:
        return Named(path)
    match = _WITH_SPLIT.fullmatch(name)
    path = _there(match[1], dataset_dir) if match else None
    return Named(path, match[2]) if match and path is not None else None


def siblings_of(name: str, dataset_dir: Path) -> Iterator[str]:
    """What there is where a missing path should be, for a suggestion."""
    for path in (user_path(name), dataset_dir / name):
        if is_folder(path.parent):
            try:
                names = sorted(each.name for each in path.parent.iterdir())
                yield from (each for each in names if not each.startswith(".") and each != path.name)
            except OSError:
                continue


def _there(name: str, dataset_dir: Path) -> Path | None:
    path = user_path(name)
    places = (path,) if path.is_absolute() else (path, dataset_dir / path)
    return next((place for place in places if _exists(place)), None)


def _exists(path: Path) -> bool:
    """Also true of a pipe or a device, which is then refused by name instead of being called missing."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
