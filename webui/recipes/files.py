"""Which recipe is open, does it still lie on the disk as it was, and where does it go when it is saved?"""

import difflib
import hashlib
from pathlib import Path

from grpoctl import shipped
from grpoctl.errors import Finding, InputError
from grpoctl.recipe.yaml_text import read_text
from grpoctl.run.files import write_whole
from webui.places import own_recipe_file, own_recipes, own_recipes_folder, recipe_file, run_named, shown_file


def read_recipe_named(name: str) -> str:
    """The text of a shipped or own recipe."""
    return _read(recipe_file(name), name)


def read_recipe_of_run(run_name: str) -> str:
    """What a run was started with, as the user wrote it."""
    run = run_named(run_name)
    if run is None:
        raise InputError(Finding("is no run here", "choose another", file=run_name))
    return _read(run.recipe, f"{run_name}/recipe.yaml")


def _read(path: Path, name: str) -> str:
    text = read_text(path, name)
    if isinstance(text, Finding):
        raise InputError(text)
    return text


def mark_of(text: str) -> str:
    """Tells one text from another."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def on_disk(name: str) -> str | None:
    """The mark of a recipe's file, or None where it is gone."""
    try:
        return mark_of(read_recipe_named(name))
    except InputError:
        return None


def save(name: str, text: str, opened: str | None, *, over: bool = False) -> str:
    """Save an own recipe; `opened` is the mark of the file as this page knows it. Returns the new mark.

    InputError where the file is another one by now: a second tab, or an editor, has saved it.
    """
    path = own_recipe_file(name)
    now = on_disk(name) if name in own_recipes() else None
    if now is not None and now not in (opened, mark_of(text)) and not over:
        problem = "has been changed by somebody else since you opened it" if opened else "is there already"
        raise InputError(Finding(problem, "open that one, save over it, or take another name", file=shown_file(name)))
    try:
        own_recipes_folder().mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        said = f"cannot be written ({error.strerror})"
        raise InputError(Finding(said, "see whether the folder may be written", file=shown_file(name))) from None
    return mark_of(text)


def path_for_command(name: str) -> str:
    """How a command line names it."""
    return name if name in shipped.recipe_names() else shown_file(name)


def difference(before: str, after: str, name: str) -> list[str]:
    """What was changed, as a unified diff without its head."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, "", n=1, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++"))]
