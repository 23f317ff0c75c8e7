"""Start an evaluation from here, by the command that a person would give, and stop it."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from grpoctl.errors import Finding, InputError
from grpoctl.evaluate import MODES
from grpoctl.run.directory import RunDirectory
from grpoctl.run.process import is_running
from grpoctl.targets import has_model
from webui import processes
from webui.compare import watched
from webui.compare.chosen import Chosen
from webui.fields import boxes, field, select
from webui.html import Markup, h
from webui.newest import newest_runs
from webui.page import Answer, Page
from webui.places import run_named
from webui.printed import as_printed
from webui.processes import Started
from webui.runs.control import named

_OFFERED = 50  # runs, the newest
_MOST_PROBLEMS, _MOST_ANSWERS = 10_000_000, 1024


def view(page: Page, runs: Chosen) -> Markup:
    say = page.say
    offered = [run for run in runs.all[:_OFFERED] if has_model(run)]
    if not offered:
        started = watched.view(page)
        said = h("p", say("No run has a model to evaluate yet: wait for its first checkpoint."), class_="quiet")
        return h("section", h("h3", say("Evaluate")), said, started, id="compare-evals")
    names = [run.name for run in offered]
    run = page.text("eval_run") if page.text("eval_run") in names else names[0]
    base = _with_base(page)
    return h(
        "section",
        h("h3", say("Evaluate")),
        h(
            "div",
            select(say("Run"), "eval_run", {name: name for name in names}, run),
            field(say("Problems"), "eval_limit", page.text("eval_limit"), placeholder=say("all"), inputmode="numeric"),
            field(say("Answers to each"), "eval_k", page.text("eval_k"), placeholder="1", inputmode="numeric"),
            boxes(say("Modes"), "eval_modes", {mode: mode for mode in MODES}, _modes(page)),
            h("label", h("input", type="checkbox", checked=base, data_state="eval_base", id="eval-base"), " ",
              say("the model before training too"), class_="box"),
            class_="grid",
        ),
        _command(page),
        watched.view(page),
        id="compare-evals",
    )  # fmt: skip


def _command(page: Page) -> Markup:
    """The very command, or what is wrong with what was typed; and the button, which waits until nothing is."""
    say = page.say
    try:
        _, words = words_of(page)
    except InputError as error:
        return h("div", h("p", as_printed(page), " ", str(error), class_="note bad", role="alert", id="eval-wrong"),
                 _button(page, aria_describedby="eval-wrong", disabled=True), class_="stack")  # fmt: skip
    command = processes.command_line(words)
    copy = h("button", say("Copy"), type="button", data_copy=command)
    return h("div", h("code", command), copy, _button(page), class_="command")


def _button(page: Page, **more: Any) -> Markup:
    title = page.say("Evaluate")
    return h("button", title, type="button", class_="primary", data_act="eval-start", id="eval-start", **more)


def words_of(page: Page) -> tuple[RunDirectory, list[str]]:
    """The run, and the command's words; InputError where it cannot be given like that."""
    run = _run(page)
    modes = _modes(page)
    if not modes:
        raise InputError(Finding("is empty", f"choose {', '.join(MODES[:-1])} or {MODES[-1]}", file=page.say("Modes")))
    limit = _count(page, "eval_limit", page.say("Problems"), _MOST_PROBLEMS)
    answers = _count(page, "eval_k", page.say("Answers to each"), _MOST_ANSWERS)
    words = ["eval", named(run), *(word for mode in modes for word in ("--mode", mode))]
    words += ["--base"] if _with_base(page) else []
    words += [] if limit is None else ["--limit", str(limit)]
    return run, words + ([] if answers in (None, 1) else ["--k", str(answers)])


def _run(page: Page) -> RunDirectory:
    """The one that is chosen; where none was, the newest that has a model, which is what the field shows."""
    name = page.text("eval_run")
    run = run_named(name) if name else None
    if run is None or not has_model(run):
        run = next((each for each in newest_runs()[:_OFFERED] if has_model(each)), None)
    if run is None:
        raise InputError(Finding("has no model", "choose a run that has a checkpoint", file=name or "run"))
    return run


def _modes(page: Page) -> list[str]:
    wanted = page.names("eval_modes") if "eval_modes" in page.state else ["greedy"]
    return [mode for mode in MODES if mode in wanted]


def _with_base(page: Page) -> bool:
    return page.state.get("eval_base", True) is True


def _count(page: Page, key: str, title: str, most: int) -> int | None:
    """A whole number from 1, or None where nothing was typed."""
    text = page.text(key).strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= most):
        raise InputError(Finding(f"is {text[:20]}", f"use a whole number from 1 to {most}", file=title))
    return int(text)


def start(page: Page, arguments: Mapping[str, Any]) -> Answer:
    run, words = words_of(page)
    if any(each.about == run.name and each.is_running for each in watched.all_evals()):
        problem = page.say("is being evaluated already")
        raise InputError(Finding(problem, page.say("wait for that, or stop it"), file=run.name))
    processes.start(words, about=run.name)
    return Answer(said=page.say("Started."))


def stop(page: Page, arguments: Mapping[str, Any]) -> Answer:
    """SIGTERM to this one process: it keeps what it has, and the same command goes on with it."""
    wanted = str(arguments.get("eval"))
    each = next((each for each in watched.all_evals() if each.folder.name == wanted), None)
    if each is None or not each.is_running:
        return Answer(said=page.say("It has ended already."))
    _terminate(each)
    return Answer(said=page.say("It was asked to end; the same command goes on from there."))


def _terminate(each: Started) -> None:
    """Nobody but that very process: it is held by a descriptor while it is made sure that it is the one."""
    with suppress(ProcessLookupError):
        if not hasattr(os, "pidfd_open") or not hasattr(signal, "pidfd_send_signal"):
            os.kill(each.process_id, signal.SIGTERM)
            return
        descriptor = os.pidfd_open(each.process_id)
        try:
            if is_running(each.process_id, each.process_started):
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        finally:
            os.close(descriptor)
