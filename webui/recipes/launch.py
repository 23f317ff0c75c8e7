"""How does the text in the editor become a run? Saved as a recipe first, then trained by the command that is shown."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from grpoctl.errors import Finding, InputError
from webui import places, processes
from webui.page import Answer, Page
from webui.recipes import files


def launch_words(page: Page, name: str | None = None) -> list[str]:
    """The command as it would be given now."""
    name = name or recipe_to_use(page)
    run_name = page.text("run_name").strip() or f"{_stem(name)}-{datetime.now():%m%d-%H%M}"
    folder = places.new_run_folder(run_name)
    return ["train", files.path_for_command(name), f"output_dir={_relative(folder)}"]


def launch(page: Page, arguments: Any) -> Answer:
    """Save what is not saved, and start."""
    from webui.recipes.findings import check

    text, name = page.text("text"), recipe_to_use(page)
    errors = check(text).errors
    if errors:
        raise InputError(errors)
    state: dict[str, Any] = {}
    said = page.say("Started.")
    if files.on_disk(name) != files.mark_of(text):
        opened = page.text("opened") if name == page.text("recipe") else None
        state = _saved(name, files.save(name, text, opened or None))
        said = f"{page.say('Saved as {file}.', file=places.shown_file(name))} {said}"
    words = launch_words(page, name)  # which is taken by now, so that another would be proposed
    run_name = Path(words[-1].partition("=")[2]).name
    processes.start(words, about=run_name)
    return Answer({**state, "tab": "runs", "run": run_name, "run_name": ""}, said=said)


def recipe_to_use(page: Page) -> str:
    """The recipe that is open where the text is its file's; else the name that it will be saved under."""
    name = page.text("recipe")
    if name and files.on_disk(name) == files.mark_of(page.text("text")):
        return name
    wanted = page.text("save_as").strip() or suggested_name(page)
    places.own_recipe_file(wanted)  # whether that may be a name
    return wanted


def suggested_name(page: Page) -> str:
    """An own recipe keeps its name; of a shipped one comes my_quickstart."""
    name = page.text("recipe")
    if name in places.own_recipes():
        return name
    stem = f"my_{_stem(name)}" if name else "my_recipe"
    taken = set(places.own_recipes())
    return next(each for each in (stem, *(f"{stem}-{number}" for number in range(2, 10_000))) if each not in taken)


def _stem(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:40] or "run"


def _relative(folder: Path) -> str:
    """As one would type it."""
    try:
        return str(folder.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(folder)


def save(page: Page, arguments: Any) -> Answer:
    """Save under the name in the field, or over what somebody else has saved where the user says so."""
    name = page.text("save_as").strip() or suggested_name(page)
    text = page.text("text")
    if not text.strip():
        raise InputError(Finding("is empty", "write or choose a recipe first", file="YAML"))
    opened = page.text("opened") if name == page.text("recipe") else None
    mark = files.save(name, text, opened or None, over=arguments.get("over") is True)
    return Answer(_saved(name, mark), said=page.say("Saved as {file}.", file=places.shown_file(name)))


def _saved(name: str, mark: str) -> dict[str, Any]:
    """What the page has open from then on."""
    return {"recipe": name, "source": f"recipe:{name}", "opened": mark, "save_as": ""}
