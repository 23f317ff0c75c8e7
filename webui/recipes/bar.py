"""Which recipe is open, and is what one sees what lies on the disk?"""

from typing import Any

from grpoctl import shipped
from grpoctl.errors import InputError
from webui import places
from webui.html import Markup, h
from webui.newest import newest_runs
from webui.page import Answer, Page
from webui.recipes import files
from webui.recipes.launch import suggested_name

_RUNS_OFFERED = 20


def view(page: Page) -> Markup:
    say = page.say
    return h(
        "div",
        h(
            "div",
            h("label", say("Recipe"), for_="open-recipe"),
            _choice(page),
            class_="field",
        ),
        h(
            "div",
            h("label", say("Save as"), for_="save-as"),
            h(
                "div",
                h(
                    "input",
                    id="save-as",
                    data_state="save_as",
                    value=page.text("save_as"),
                    data_value=page.text("save_as"),
                    placeholder=suggested_name(page),
                    maxlength=64,
                    autocomplete="off",
                ),
                h("button", say("Save"), type="button", id="save", data_act="save"),
                class_="line",
            ),
            class_="field",
        ),
        h("div", *_standing(page), class_="standing", id="standing"),
        _difference(page) if page.flag("diff") else None,
        class_="bar-of-recipe",
    )


def _choice(page: Page) -> Markup:
    say, open_ = page.say, page.text("source")
    groups = {
        say("Come with grpoctl"): [f"recipe:{name}" for name in shipped.recipe_names()],
        say("Yours"): [f"recipe:{name}" for name in places.own_recipes()],
        say("Of a run"): [f"run:{run.name}" for run in newest_runs()[:_RUNS_OFFERED]],
    }
    options = [h("option", say("choose …"), value="", selected=not open_)]
    for title, values in groups.items():
        inner = [h("option", v.partition(":")[2], value=v, selected=v == open_) for v in values]
        if inner:
            options.append(h("optgroup", *inner, label=title))
    known = not open_ or any(open_ in values for values in groups.values())
    if not known:
        options.append(h("option", open_.partition(":")[2], value=open_, selected=True))
    return h("select", *options, id="open-recipe", data_edit="source", data_act="open", data_value=open_)


def _standing(page: Page) -> list[Markup]:
    """Saved, changed, changed by others, or gone; and what one can do about it."""
    say, name, text = page.say, page.text("recipe"), page.text("text")
    parts: list[Markup] = []
    if name:
        now, mark = files.on_disk(name), files.mark_of(text)
        if now is None:
            gone = say("{name} is gone from the disk; saving writes it again.", name=places.shown_file(name))
            parts.append(h("span", gone, class_="pill failed"))
        elif now == mark:
            parts.append(h("span", say("as on the disk"), class_="pill finished"))
        elif now != page.text("opened") and name in places.own_recipes():
            parts.append(h("span", say("changed by somebody else since you opened it"), class_="pill failed"))
            parts.append(
                h("button", say("Open theirs"), type="button", data_act="open", data_args={"value": f"recipe:{name}"})
            )
            parts.append(h("button", say("Save over it"), type="button", data_act="save", data_args={"over": True}))
        else:
            parts.append(h("span", say("changed, not saved"), class_="pill stopped"))
    elif text.strip():
        parts.append(h("span", say("not saved"), class_="pill stopped"))
    wanted = page.text("save_as").strip()
    if wanted and wanted != name and wanted in places.own_recipes():
        parts.append(h("span", say("{name} is there already", name=places.shown_file(wanted)), class_="pill failed"))
        parts.append(_button(say("Open that one"), "open", {"value": f"recipe:{wanted}"}))
        parts.append(_button(say("Save over it"), "save", {"over": True}))
    if page.text("template"):
        shown = page.flag("diff")
        parts.append(
            h(
                "button",
                say("Hide the changes") if shown else say("Show the changes"),
                type="button",
                class_="link",
                data_set={"diff": not shown},
                aria_expanded=str(shown).lower(),
            )
        )
    dropped = page.state.get("dropped")
    if isinstance(dropped, dict) and dropped.get("text") not in (None, text):
        parts.append(h("button", say("Back to what I had"), type="button", class_="link", data_act="bring-back"))
    return parts


def _button(title: str, act: str, arguments: dict[str, Any]) -> Markup:
    return h("button", title, type="button", data_act=act, data_args=arguments)


def _difference(page: Page) -> Markup:
    """Against the recipe that one started from."""
    template = page.text("template")
    try:
        lines = files.difference(read_source(template), page.text("text"), template)
    except InputError as error:
        return h("p", str(error), class_="note")
    if not lines:
        return h("p", page.say("No change against {name}.", name=template.partition(":")[2]), class_="note")
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return h("pre", *[h("span", line + "\n", class_=kinds.get(line[:1])) for line in lines], class_="diff", id="diff")


def read_source(source: str) -> str:
    """The text of `recipe:NAME` or `run:NAME`."""
    kind, _, name = source.partition(":")
    return files.read_recipe_of_run(name) if kind == "run" else files.read_recipe_named(name)


def open_(page: Page, arguments: Any) -> Answer:
    """Put a recipe into the editor; what stood there, where it was nowhere else, can be brought back."""
    source = str(arguments.get("value", ""))
    if not source:
        return Answer()
    text = read_source(source)
    kind, _, name = source.partition(":")
    state: dict[str, Any] = {
        "source": source,
        "template": source,
        "recipe": name if kind == "recipe" else "",
        "opened": files.mark_of(text),
        "save_as": "",
    }
    if arguments.get("stay") is not True:
        state["tab"] = "recipes"
    before = page.text("text")
    if before.strip() and files.on_disk(page.text("recipe")) != files.mark_of(before):
        kept = ("source", "template", "recipe", "opened", "save_as", "text")
        state["dropped"] = {name: page.state.get(name, "") for name in kept}
    return Answer(state, write=text)


def bring_back(page: Page, arguments: Any) -> Answer:
    dropped = page.state.get("dropped")
    if not isinstance(dropped, dict):
        return Answer()
    state = {name: value for name, value in dropped.items() if name != "text" and isinstance(value, str)}
    return Answer({**state, "dropped": None}, write=str(dropped.get("text", "")))
