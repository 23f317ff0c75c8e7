"""Ask a run's model a question, beside the one that it began with, and show both answers as they come."""

from collections.abc import Mapping
from typing import Any

from grpoctl.errors import Finding, InputError
from grpoctl.evaluate import MODES
from grpoctl.run.directory import RunDirectory
from webui import processes
from webui.ask import room
from webui.ask.answers import exchanges
from webui.ask.askable import askable, is_of_pictures, mark_of, run_to_ask
from webui.ask.exchange import Exchange
from webui.ask.room import new_asker
from webui.fields import area, field, select
from webui.html import Markup, h
from webui.page import Answer, Page
from webui.runs.control import named

_MOST_CHARACTERS = 20_000
_MOST_SEED = 2**32 - 1


def view(page: Page) -> Markup:
    say = page.say
    runs = askable()
    if not runs:
        said = h("p", say("No run that has ended has a model yet: wait for the first."), class_="quiet")
        return h("section", h("h3", say("Ask a model")), said, id="ask-form")
    newest = next((run for run in runs if not is_of_pictures(run)), runs[0])
    run = next((run for run in runs if run.name == page.text("ask_run")), newest)
    names = {run.name: run.name for run in runs}
    head = [
        h("h3", say("Ask a model")),
        h("div", select(say("Run"), "ask_run", names, run.name), *_how(page), class_="grid"),
    ]
    if is_of_pictures(run):
        return h("section", *head, _by_command(page, run), id="ask-form")
    asker = page.text("ask_id")
    waits = any(not each.over for each in room.ROOM.exchanges_of(asker))
    return h(
        "div",
        h("section", *head, _question(page, waits), _command(page, run), _loaded(page), id="ask-form"),
        exchanges(page, room.ROOM.exchanges_of(asker)),
        class_="stack",
    )


def _how(page: Page) -> list[Markup]:
    say = page.say
    base = h("input", type="checkbox", checked=_with_base(page), data_state="ask_base", id="ask-base")
    return [
        select(say("Mode"), "ask_mode", {mode: mode for mode in MODES}, _mode(page)),
        field(say("Seed"), "ask_seed", page.text("ask_seed"), placeholder=say("the recipe's"), inputmode="numeric"),
        h("label", base, " ", say("the model before training too"), class_="box"),
    ]


def _question(page: Page, waits: bool) -> Markup:
    say, text = page.say, page.text("ask_text")
    stop = h("button", say("Stop"), type="button", class_="danger", data_act="ask-stop", id="ask-stop")
    return h(
        "div",
        area(say("Question"), "ask_text", text, rows=3, maxlength=_MOST_CHARACTERS),
        h("div", h("button", say("Ask"), type="button", class_="primary", data_act="ask-question", id="ask-go"),
          stop if waits else None, class_="wrap buttons"),
    )  # fmt: skip


def _command(page: Page, run: RunDirectory) -> Markup:
    """What one would type for the same."""
    words = ["ask", named(run), page.text("ask_text").strip() or "…"]
    words += ["--base"] if _with_base(page) else []
    words += ["--mode", _mode(page)] if _mode(page) != "greedy" else []
    seed = page.text("ask_seed").strip()
    command = processes.command_line(words + (["--seed", seed] if seed else []))
    copy = h("button", page.say("Copy"), type="button", data_copy=command)
    return h(
        "details", h("summary", page.say("by the command line")), h("div", h("code", command), copy, class_="command")
    )


def _by_command(page: Page, run: RunDirectory) -> Markup:
    command = processes.command_line(["ask", named(run), "digit.png"])
    return h(
        "div",
        h("p", page.say("This run reads pictures of digits, which are asked by the command line:")),
        h("div", h("code", command), h("button", page.say("Copy"), type="button", data_copy=command), class_="command"),
    )


def _loaded(page: Page) -> Markup | None:
    """Whose models take up memory now, and how to have it back."""
    say, child = page.say, room.ROOM.child
    if child is None:
        return None
    said = say("Its models stay loaded until nobody has asked for 5 minutes.") if child.ready else say("Loading …")
    return h(
        "p",
        h("span", say("loaded") if child.ready else say("loading"), class_="pill running"),
        h("span", said, class_="quiet"),
        h("button", say("Let go now"), type="button", class_="link", data_act="ask-let-go"),
        class_="wrap loaded",
    )


def _mode(page: Page) -> str:
    return page.text("ask_mode") if page.text("ask_mode") in MODES else "greedy"


def _with_base(page: Page) -> bool:
    return page.state.get("ask_base", True) is True


def _seed(page: Page) -> int | None:
    text = page.text("ask_seed").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= _MOST_SEED):
        raise InputError(
            Finding(f"is {text[:20]}", f"use a whole number from 0 to {_MOST_SEED}", file=page.say("Seed"))
        )
    return int(text)


def ask(page: Page, arguments: Mapping[str, Any]) -> Answer:
    """Pass the question on; where another run's models are loaded, they make room."""
    question, run = page.text("ask_text").strip(), run_to_ask(page.text("ask_run"))
    if not question:
        raise InputError(Finding("is empty", "ask something, such as 1 + 1?", file=page.say("Question")))
    if len(question) > _MOST_CHARACTERS:
        raise InputError(
            Finding(f"is longer than {_MOST_CHARACTERS} characters", "ask a shorter one", file=page.say("Question"))
        )
    asker = page.text("ask_id")
    if len(asker) != len(new_asker()):
        asker = new_asker()
    base = _with_base(page)
    words = ["ask", named(run), "--lines", *(["--base"] if base else [])]
    exchange = Exchange(asker, question, _mode(page), _seed(page), run.name)
    room.ROOM.ask(exchange, words, mark_of(run, base), page.say("Another run was asked meanwhile."))
    return Answer({"ask_id": asker})


def stop(page: Page, arguments: Mapping[str, Any]) -> Answer:
    found = room.ROOM.stop(page.text("ask_id"))
    return Answer() if found else Answer(said=page.say("It has ended already."))


def forget(page: Page, arguments: Mapping[str, Any]) -> Answer:
    room.ROOM.forget(page.text("ask_id"))
    return Answer()


def let_go(page: Page, arguments: Mapping[str, Any]) -> Answer:
    room.ROOM.let_go(page.say("The models were let go."))
    return Answer(said=page.say("The models were let go."))
