"""What does `check` say of the text in the editor, and what would it cost? Then: the command, and the button."""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

from grpoctl import preflight
from grpoctl.errors import Finding, GrpoctlError
from grpoctl.estimate import Estimate, estimate
from grpoctl.estimate.devices import GIB, device_of
from grpoctl.estimate.memory import PARTS
from grpoctl.machine import read_machine
from grpoctl.preflight import Preflight
from grpoctl.preflight.memory import longest_prompt
from grpoctl.preflight.words import facts
from grpoctl.recipe.load import read_recipe_text
from grpoctl.recipe.schema import Recipe
from webui import processes
from webui.html import Markup, h
from webui.page import Page
from webui.printed import as_printed
from webui.recipes import files, flat, within
from webui.recipes.launch import launch_words

_KEPT, _FRESH_S = 8, 15.0
_found: "OrderedDict[str, tuple[float, Preflight]]" = OrderedDict()
_lock = threading.Lock()


def check(text: str) -> Preflight:
    """As `grpoctl check` finds it, unless it leads out of the page's folders. The last few are kept for a moment, as
    one change is shown in several places."""
    mark = files.mark_of(text)
    with _lock:
        kept = _found.get(mark)
        if kept is not None and time.monotonic() - kept[0] < _FRESH_S:
            return kept[1]
    reading = read_recipe_text(text, "YAML")
    found = within.refused(reading) or preflight.check(reading)
    with _lock:
        _found[mark] = (time.monotonic(), found)
        while len(_found) > _KEPT:
            _found.popitem(last=False)
    return found


def view(page: Page) -> Markup:
    text = page.text("text")
    if not text.strip():
        return h("p", page.say("Choose a recipe, or paste one: LLaMA-Factory's are checked too."), class_="note")
    found = check(text)
    parts = [_said(page, found), _launch(page, found)]  # the button stands above what takes long to read
    if not found.errors:
        parts += [_facts(page, found), *_memory(page, found), *flat.view(page, found)]
    return h("div", *parts, class_="stack")


def _said(page: Page, found: Preflight) -> Markup:
    if not found.findings:
        return h("div", "✓ ", page.say("This recipe can be trained."), class_="note good", role="status")
    return h(
        "div",
        as_printed(page),
        _list(page, found.errors, "bad"),
        h("div", "✓ ", page.say("This recipe can be trained."), class_="note good") if not found.errors else None,
        _list(page, found.warnings, "warn"),
        id="said-of-recipe",
        role="status",
    )


def _list(page: Page, findings: Sequence[Finding], kind: str) -> Markup | None:
    if not findings:
        return None
    return h("ul", *[_line(page, finding) for finding in findings], class_=f"note {kind}")


def _line(page: Page, finding: Finding) -> Markup:
    """Where the editor has the line, a click goes there."""
    said = f"{finding.problem}; {finding.fix}"
    key = h("b", finding.key, " ") if finding.key else None
    if finding.line is None or finding.file != "YAML":
        place = f"{finding.file}:{finding.line} " if finding.file not in ("", "YAML") else ""
        return h("li", place, key, said)
    place = page.say("line {n}", n=finding.line)
    return h("li", h("button", place, type="button", class_="link", data_line=finding.line), " ", key, said)


def _facts(page: Page, found: Preflight) -> Markup:
    rows = [h("tr", h("th", page.say(name), scope="row"), h("td", text)) for name, text in facts(found).items()]
    table = h("table", h("tbody", *rows), class_="facts", id="facts")
    said = as_printed(page)
    return h("div", said, table) if said else table


def _memory(page: Page, found: Preflight) -> list[Markup]:
    """What it takes, by part, of the device that it is for."""
    recipe = found.recipe
    if recipe is None or recipe.is_export or recipe.reads_pictures:
        return []
    device, here = device_of(recipe, read_machine())
    tokens, _ = longest_prompt(recipe, found)
    try:
        guess = estimate(recipe, device, tokens, found.plan.steps if found.plan else None)
    except GrpoctlError as error:
        return [h("p", page.say("Memory: not known."), " ", str(error), class_="note")]
    return [_bars(page, guess, here)]


def _bars(page: Page, guess: Estimate, here: bool) -> Markup:
    say, memory = page.say, guess.memory
    room = guess.device.memory
    whole = max(memory.total, room or 0.0)
    parts = [(name, memory.parts.get(name, 0.0)) for name in PARTS if memory.parts.get(name)]
    bar = [
        h("i", style=f"width:{100 * size / whole:.2f}%", class_=f"part-{place % 8}", title=f"{name} {_size(size)}")
        for place, (name, size) in enumerate(parts)
    ]
    legend = [
        h("span", h("i", class_=f"part-{place % 8}"), say(name), " ", h("b", _size(size)))
        for place, (name, size) in enumerate(parts)
    ]
    of = f" / {room / GIB:.0f} GiB" if room else ""
    fits = {True: say("fits"), False: say("does not fit"), None: ""}[guess.fits]
    title = f"{say('Memory')}: {_size(memory.total)}{of}, {guess.device.name}{'' if here else say(', not here')}"
    return h(
        "section",
        h("h3", title, " ", h("span", fits, class_=f"pill {'finished' if guess.fits else 'failed'}") if fits else None),
        h("div", *bar, class_="stacked", role="img", aria_label=", ".join(f"{n} {_size(s)}" for n, s in parts)),
        h("div", *legend, class_="legend"),
        id="memory",
    )


def _size(size: float) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.1f} MiB"


def _launch(page: Page, found: Preflight) -> Markup:
    """The name of the run, the very command, and the button that gives it."""
    say = page.say
    recipe: Recipe | None = found.recipe
    try:
        command: str | None = processes.command_line(launch_words(page))
    except GrpoctlError:
        command = None
    may = not found.errors and recipe is not None and not recipe.is_export
    return h(
        "section",
        h("label", say("Name of the run"), for_="run-name"),
        h(
            "div",
            h(
                "input",
                id="run-name",
                data_state="run_name",
                value=page.text("run_name"),
                data_value=page.text("run_name"),
                placeholder=say("a name of its own"),
                maxlength=64,
                autocomplete="off",
            ),
            h(
                "button",
                say("Start training"),
                id="start",
                type="button",
                class_="primary",
                data_act="launch",
                disabled=not may,
            ),
            class_="line",
        ),
        h("div", h("code", command), h("button", say("Copy"), type="button", data_copy=command), class_="command")
        if command
        else None,
        class_="launch",
    )
