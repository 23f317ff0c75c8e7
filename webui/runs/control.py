"""Stop a run, or let it go on: by the commands that a person would give."""

from collections.abc import Mapping
from typing import Any

from grpoctl.errors import Finding, InputError
from grpoctl.run.directory import RunDirectory
from webui import processes
from webui.page import Answer, Page
from webui.places import run_named
from webui.runs.standing import GOING_ON, standing_of


def stop(page: Page, arguments: Mapping[str, Any]) -> Answer:
    """SIGTERM: it saves a checkpoint first."""
    run = _chosen(page)
    if standing_of(run).view.status not in GOING_ON:
        return Answer(said=page.say("It has ended already."))
    processes.start(["stop", named(run), "--timeout", "600"], about=run.name)
    return Answer(said=page.say("It was asked to save and end."))


def kill(page: Page, arguments: Mapping[str, Any]) -> Answer:
    """SIGKILL, without saving."""
    run = _chosen(page)
    if standing_of(run).view.status not in GOING_ON:
        return Answer(said=page.say("It has ended already."))
    processes.start(["stop", named(run), "--now"], about=run.name)
    return Answer(said=page.say("It is being killed."))


def resume(page: Page, arguments: Mapping[str, Any]) -> Answer:
    run = _chosen(page)
    if standing_of(run).goes_on:
        return Answer(said=page.say("It goes on already."))
    processes.start(["train", f"--resume={named(run)}"], about=run.name)
    return Answer(said=page.say("Started."))


def _chosen(page: Page) -> RunDirectory:
    run = run_named(page.text("run"))
    if run is None:
        raise InputError(Finding("is not here any more", "choose another", file=page.text("run") or "run"))
    return run


def named(run: RunDirectory) -> str:
    """A run's name as a word of a command; one that looks like an option goes by its folder."""
    return str(run.path) if run.name.startswith("-") or "=" in run.name else run.name
