"""Which files may the page name? Those below recipes/, data/ and the runs folder; names cannot lead out of them."""

import re
from pathlib import Path

from grpoctl import shipped
from grpoctl.errors import Finding, InputError, printable
from grpoctl.run.directory import RunDirectory, all_runs, runs_root

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

# Folders beside them that the server was started with.
ALLOWED: list[Path] = []


def is_within(path: Path) -> bool:
    """Whether a path, its links followed, stays in the folders that the page may read; asks nothing of the file."""
    folders = [runs_root(), Path("recipes"), Path("data"), shipped.RECIPES, shipped.DATA, *ALLOWED]
    try:
        real = path.resolve()
        return any(real.is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError):  # a circle of links, a NUL
        return False


def own_recipes_folder() -> Path:
    """recipes/ where you stand; in a checkout, whose recipes/ holds what is shipped, a folder in it."""
    folder = Path.cwd() / "recipes"
    return folder / "own" if folder.resolve() == shipped.RECIPES.resolve() else folder


def shown_file(name: str) -> str:
    """An own recipe's file as one would type it."""
    return str(own_recipes_folder().relative_to(Path.cwd()) / f"{name}.yaml")


def own_recipes() -> list[str]:
    """The user's own, by name."""
    shipped_names = set(shipped.recipe_names())
    try:
        found = [path.stem for path in own_recipes_folder().glob("*.yaml") if _NAME.fullmatch(path.stem)]
    except OSError:
        return []
    return sorted(name for name in found if name not in shipped_names)


def recipe_file(name: str) -> Path:
    """The file of a shipped or an own recipe."""
    if name in shipped.recipe_names():
        return shipped.RECIPES / f"{name}.yaml"
    return own_recipe_file(name)


def own_recipe_file(name: str) -> Path:
    """Where an own recipe of that name lies or would lie; InputError where the name may be none."""
    fix = "use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first"
    if not _NAME.fullmatch(name) or name.endswith(".yaml"):
        raise InputError(Finding("can be no recipe's name", fix, file=printable(name[:80]) or "name"))
    if name in shipped.recipe_names():
        raise InputError(Finding("is a recipe that comes with grpoctl", "save yours under another name", file=name))
    folder = own_recipes_folder()
    path = folder / f"{name}.yaml"
    if path.resolve().parent != folder.resolve():  # a link that leads elsewhere
        raise InputError(Finding("leads out of recipes/", "take the link away", file=name))
    return path


def new_run_folder(name: str) -> Path:
    """Where a new run of that name goes."""
    fix = "use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first"
    if not _NAME.fullmatch(name):
        raise InputError(Finding("can be no run's name", fix, file=printable(name[:80]) or "name"))
    if name == "latest":
        raise InputError(Finding("means the newest run to every command", "choose another name", file=name))
    path = runs_root() / name
    if path.resolve().parent != runs_root().resolve():
        raise InputError(Finding("leads out of the runs folder", "take the link away", file=name))
    if path.exists():
        raise InputError(Finding("is there already", "choose another name", file=name))
    return path


def run_named(name: str) -> RunDirectory | None:
    """A run by its name. Only what is found below the runs folder has one, so that no name leads elsewhere."""
    return next((run for run in all_runs() if run.name == name), None)
