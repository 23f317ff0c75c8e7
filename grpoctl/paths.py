"""What stands at a path? Questions that answer no instead of raising, for paths that a recipe may hold."""

from pathlib import Path


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, a folder that may not be entered, a NUL
        return False


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def user_path(text: str) -> Path:
    """The path with ~ as the user's home; ~name of nobody is a folder of that name."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)
