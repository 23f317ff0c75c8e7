"""Which runs are compared: what may be chosen, and what is?"""

from collections.abc import Sequence
from dataclasses import dataclass

from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from webui.fields import boxes
from webui.html import Child, Markup, h
from webui.live import live_run
from webui.newest import newest_runs
from webui.page import Page

MOST = 8
_AT_FIRST, _CHOSEN_AT_FIRST = 16, 2


@dataclass(frozen=True)
class Chosen:
    """The runs that there are, the newest first, and those of them that are compared."""

    all: Sequence[RunDirectory]
    runs: Sequence[RunDirectory]
    left_out: int  # chosen beyond what fits


def chosen(page: Page) -> Chosen:
    """What the page has chosen and is still there; where nothing was ever chosen, the newest that were evaluated."""
    every = newest_runs()
    if "cmp_runs" in page.state:
        wanted = set(page.names("cmp_runs"))
        found = [run for run in every if run.name in wanted]
    else:
        recent = [run for run in every[:_AT_FIRST] if is_evaluated(run)]
        # One that goes on was evaluated before training alone, which says nothing yet.
        recent.sort(key=lambda run: not live_run(run).of_kind(ev.RUN_FINISHED))
        found = recent[:_CHOSEN_AT_FIRST]
    return Chosen(every, found[:MOST], len(found[MOST:]))


def is_evaluated(run: RunDirectory) -> bool:
    """Whether any evaluation of it came to its end."""
    return any(run.evals.glob("*.json")) or bool(live_run(run).of_kind(ev.EVAL))


def view(page: Page, found: Chosen) -> Markup:
    """The boxes. A run that is chosen stays among them, however old it is."""
    say = page.say
    names = {run.name for run in found.runs}
    whole = page.flag("cmp_all")
    listed = [run for place, run in enumerate(found.all) if whole or place < _AT_FIRST or run.name in names]
    options: dict[str, Child] = {run.name: _said(page, run) for run in listed}
    hidden = len(found.all) - len(listed)
    return h(
        "section",
        boxes(say("Runs to compare, the newest first"), "cmp_runs", options, [run.name for run in found.runs]),
        h("button", say("Show {n} more", n=hidden), type="button", class_="link", data_set={"cmp_all": True})
        if hidden > 0
        else None,
        h("p", _too_many(page, found), class_="note warn")
        if found.left_out
        else None,
        id="compare-runs",
    )  # fmt: skip


def _too_many(page: Page, found: Chosen) -> str:
    return page.say("At most {n} runs are compared; {more} are left out.", n=MOST, more=found.left_out)


def _said(page: Page, run: RunDirectory) -> list[Child]:
    mark = h("span", page.say("evaluated"), class_="pill finished") if is_evaluated(run) else None
    return [h("bdi", run.name), " ", mark]
