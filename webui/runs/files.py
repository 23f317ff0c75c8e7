"""The recipe of a run as it was used, and its files to take home."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from grpoctl.comparison.before_after import read_object
from grpoctl.errors import Finding, InputError
from grpoctl.recipe.schema import Recipe
from webui import downloads
from webui.html import Markup, h
from webui.page import Answer, Page
from webui.places import run_named
from webui.runs.standing import Standing
from webui.runs.words import size

_MOST = 400


def recipe_view(page: Page, found: Standing) -> Markup:
    """What the user wrote, and every value that was used, those that are not the default in front."""
    say = page.say
    assert found.directory is not None
    try:
        written = found.directory.recipe.read_text(encoding="utf-8", errors="replace")
    except OSError:
        written = ""
    values = read_object(found.directory.resolved)
    fields = Recipe.model_fields
    changed = {key: value for key, value in values.items() if key not in fields or not _is_default(key, value)}
    rest = {key: value for key, value in values.items() if key not in changed}
    overrides = found.view.manifest.get("overrides")
    command = found.view.manifest.get("command")
    return h(
        "div",
        h("div", h("code", " ".join(map(str, command))), class_="command") if isinstance(command, list) else None,
        h("h3", say("As it was written")),
        h("pre", written or "–", id="written"),
        h("p", say("Changed on the command line:"), " ", ", ".join(map(str, overrides)), class_="quiet")
        if overrides
        else None,
        h("h3", say("As it was used")),
        _values(changed),
        h("details", h("summary", say("{n} keys at their default", n=len(rest))), _values(rest), data_part="defaults"),
        class_="stack",
    )


def _is_default(key: str, value: Any) -> bool:
    default = Recipe.model_fields[key].default
    plain = default.model_dump(mode="json") if hasattr(default, "model_dump") else default
    return bool(value == plain or (isinstance(plain, tuple) and value == list(plain)))


def _values(values: Mapping[str, Any]) -> Markup:
    rows = [
        h(
            "tr",
            h("th", key, scope="row"),
            h("td", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)),
        )
        for key, value in values.items()
    ]
    return h("table", h("tbody", *rows), class_="facts")


def view(page: Page, found: Standing) -> Markup:
    """Those of the run itself, and below them each folder's, folded."""
    assert found.directory is not None
    files = list(files_of(found.directory.path))
    folders = {
        folder: [name for name, _ in inner]
        for folder, inner in groupby(files[:_MOST], key=lambda file: file[0].rpartition("/")[0])
    }
    paths = dict(files)
    own = folders.pop("", [])
    return h(
        "div",
        h("p", page.say("Everything lies in {folder}.", folder=found.directory.path), class_="quiet"),
        _table(found.name, own, paths),
        *[_folder(found.name, folder, names, paths) for folder, names in folders.items()],
        h("p", page.say("and {n} more", n=len(files) - _MOST), class_="quiet") if len(files) > _MOST else None,
        class_="stack files",
    )


def _folder(run: str, folder: str, names: Sequence[str], paths: Mapping[str, Path]) -> Markup:
    whole = sum(_bytes(paths[name]) for name in names)
    title = h("summary", h("bdi", f"{folder}/"), " ", h("small", f"{len(names)} · {size(whole)}", class_="quiet"))
    return h("details", title, _table(run, names, paths), id=f"folder-{folder}", class_="folder")


def _table(run: str, names: Sequence[str], paths: Mapping[str, Path]) -> Markup:
    rows = [
        h(
            "tr",
            h("td", h("button", name.rpartition("/")[2], type="button", class_="link", title=name, data_act="download",
                      data_args={"run": run, "file": name})),
            h("td", size(_bytes(paths[name])), class_="number"),
        )
        for name in names
    ]  # fmt: skip
    return h("div", h("table", h("tbody", *rows)), class_="scroll")


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of a run that may be taken: none that is hidden, and none that a link leads to. A folder's own files
    first, then each folder in it; numbers in names count as numbers."""
    try:
        entries = sorted(folder.iterdir(), key=lambda path: (path.is_dir(), _natural(path.name)))
    except OSError:
        return
    for path in entries:
        if path.name.startswith(".") or path.is_symlink():
            continue
        if path.is_dir():
            for name, inner in files_of(path):
                yield f"{path.name}/{name}", inner
        elif path.is_file():
            yield path.name, path


def _natural(name: str) -> list[tuple[int, str]]:
    """checkpoint-20 before checkpoint-100."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def download(page: Page, arguments: Mapping[str, Any]) -> Answer:
    """An address that gives this one file, for a minute."""
    run, wanted = run_named(str(arguments.get("run"))), str(arguments.get("file"))
    path = dict(files_of(run.path)).get(wanted) if run is not None else None
    if path is None:
        raise InputError(Finding("is not there any more", "choose another", file=wanted))
    return Answer(data={"go": downloads.offer(path)})
