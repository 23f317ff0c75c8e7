"""One run: how it stands, what one can do with it, and, part by part, what it left."""

from collections.abc import Callable

from grpoctl.errors import printable
from grpoctl.targets import has_model
from webui import processes
from webui.html import Markup, h
from webui.page import Page
from webui.printed import as_printed
from webui.runs import completions, curves, files, log
from webui.runs.standing import Standing, find_standing
from webui.runs.words import duration, started_at, status_pill

_PARTS: dict[str, tuple[str, Callable[[Page, Standing], Markup]]] = {
    "curves": ("Curves", curves.view),
    "completions": ("Completions", completions.view),
    "log": ("Log", log.view),
    "recipe": ("Recipe", files.recipe_view),
    "files": ("Files", files.view),
}


def view(page: Page) -> Markup:
    name, say = page.text("run"), page.say
    if not name:
        return h("p", say("Choose a run in the table."), class_="note")
    found = find_standing(name)
    if found is None:
        return h("p", say("{run} is not here, or not any more.", run=name), class_="note warn")
    part = page.text("part", "curves") if page.text("part", "curves") in _PARTS else "curves"
    tabs = [
        h(
            "button",
            say(title),
            type="button",
            role="tab",
            id=f"part-{key}",
            aria_selected=str(key == part).lower(),
            aria_controls="part",
            data_set={"part": key},
        )
        for key, (title, _) in _PARTS.items()
    ]
    body = _PARTS[part][1](page, found) if found.directory is not None else log.start_view(page, found)
    return h(
        "div",
        _head(page, found),
        _advice(page, found),
        h("div", *tabs, role="tablist", class_="parts", aria_label=say("Parts of the run"))
        if found.directory
        else None,
        h("div", body, role="tabpanel", id="part", aria_labelledby=f"part-{part}"),
        class_="stack",
    )


def _head(page: Page, found: Standing) -> Markup:
    say, view = page.say, found.view
    metrics = view.metrics

    def fact(title: str, value: str) -> Markup:
        return h("div", h("small", title, class_="quiet"), h("b", value))

    speed = say("Answers a second" if view.manifest.get("engine") == "mlp" else "Tokens a second")
    numbers = [
        fact(say("Step"), f"{view.step:,} / {view.max_steps:,}" if view.max_steps else f"{view.step:,}"),
        fact(say("Time left"), duration(found.left_s)),
        fact(say("A step"), f"{found.step_s:.2f} s" if found.step_s else "–"),
        fact(say("Reward"), _number(metrics.get("reward"), 3)),
        fact(say("KL"), _number(metrics.get("kl"), 4)),
        fact(say("Flat groups"), _share(metrics.get("zero_std_share"))),
        fact(speed, _number(metrics.get("tokens_per_s"), 0)),
        fact(say("Accuracy"), f"{found.accuracy:.1%}" if found.accuracy is not None else "–"),
    ]
    began = view.manifest.get("recipe_file")
    about = f"{started_at(view)} · {view.manifest.get('engine')} · {began}" if began else ""
    return h(
        "section",
        h(
            "div",
            h("h2", found.name, id="run-title"),
            status_pill(page, view.status, found.is_damaged),
            h("span", _buttons(page, found), class_="wrap right"),
            class_="wrap",
        ),
        h("small", about, class_="quiet") if about else None,
        h(
            "div",
            h("i", style=f"width:{100 * found.share:.1f}%"),
            class_="bar large",
            role="progressbar",
            aria_label=say("Progress"),
            aria_valuemin=0,
            aria_valuemax=100,
            aria_valuenow=f"{100 * found.share:.0f}",
        ),
        h("div", *numbers, class_="numbers-of-run"),
        _trouble(page, found),
        id="run-head",
    )


def _buttons(page: Page, found: Standing) -> list[Markup]:
    say, name = page.say, found.name
    buttons = []
    if found.goes_on and found.directory is not None:
        if _is_being_stopped(name):
            buttons.append(h("span", say("is being stopped …"), class_="quiet"))
            question = say("Kill {run} without saving?", run=name)
            buttons.append(_button(say("Kill now"), "kill", "danger", confirm=question))
        else:
            buttons.append(_button(say("Stop"), "stop", "danger"))
    elif found.directory is not None and found.view.status != "finished":
        buttons.append(_button(say("Go on"), "resume", "primary"))
    if found.directory is not None:
        buttons.append(
            h("button", say("Open its recipe"), type="button", data_act="open", data_args={"value": f"run:{name}"})
        )
    if found.directory is not None and not found.goes_on and has_model(found.directory):
        buttons.append(h("button", say("Ask it"), type="button", data_set={"tab": "ask", "ask_run": name}))
    return buttons


def _button(title: str, act: str, kind: str, confirm: str | None = None) -> Markup:
    return h("button", title, type="button", class_=kind, id=act, data_act=act, data_confirm=confirm)


def _is_being_stopped(name: str) -> bool:
    return any(each.words[0] == "stop" and each.is_running for each in processes.all_started() if each.about == name)


def _trouble(page: Page, found: Standing) -> Markup | None:
    """Why it failed, in its own words or in those of the command that could not start it."""
    say, started = page.say, found.started
    if found.view.error:
        return h("p", as_printed(page), " ", found.view.error, class_="note bad", role="alert")
    if found.is_damaged:
        return h("p", say("Its manifest.json cannot be read, so that nobody knows of its process."),
                 class_="note bad", role="alert")  # fmt: skip
    if found.view.status == "dead":
        return h("p", say("Its process is gone and left no word: killed, out of memory, or the machine went down."),
                 class_="note bad", role="alert")  # fmt: skip
    newest = found.live.times[-1] if found.live is not None and len(found.live.times) else 0.0
    if (
        started is not None
        and not found.goes_on
        and started.exit_code not in (None, 0, 130, 143)
        and started.time > newest
    ):
        said = [line for line in started.said.splitlines() if line.strip()]
        if started.killed_by is not None:
            said.append(f"it was ended by {started.killed_by}: killed, or out of memory")
        words = printable(" ".join(said[-2:]))
        told = [as_printed(page), " ", words] if words else say("ended without a word")
        return h("p", told, class_="note bad", role="alert")
    return None


def _advice(page: Page, found: Standing) -> Markup | None:
    told = found.live.of_kind("advice") if found.live is not None else []
    if not told:
        return None
    lines = [
        h("li", h("small", page.say("step {n}", n=event.get("step", "?")), class_="quiet"), " ", str(event.get("text")))
        for event in told[-5:]
    ]
    told_in = as_printed(page)
    first = [h("li", told_in)] if told_in else []
    return h("ul", *first, *lines, class_="note warn", id="advice", aria_label=page.say("Advice"))


def _number(value: object, digits: int) -> str:
    return f"{value:,.{digits}f}" if isinstance(value, int | float) else "–"


def _share(value: object) -> str:
    return f"{value:.0%}" if isinstance(value, int | float) else "–"
