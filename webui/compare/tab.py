"""What stands on the tab, one below the other?"""

from collections.abc import Sequence

from grpoctl.comparison.runs import Comparison
from grpoctl.evaluate import MODES
from webui.compare import bars, chosen, differences, evals, samples, table
from webui.compare.found import comparison
from webui.fields import boxes
from webui.html import Markup, h
from webui.page import Page


def view(page: Page) -> Markup:
    say = page.say
    runs = chosen.chosen(page)
    if not runs.all:
        said = h("p", say("There is no run to compare yet."))
        go = h("button", say("Start one"), type="button", class_="primary", data_set={"tab": "recipes"})
        return h("div", said, go, class_="note")
    return h("div", chosen.view(page, runs), *_compared(page, runs), evals.view(page, runs), class_="stack")


def _compared(page: Page, runs: chosen.Chosen) -> list[Markup | None]:
    say = page.say
    if not runs.runs:
        return [h("p", say("Choose runs above, or evaluate one below."), class_="note")]
    found = comparison(runs.runs)
    if found is None:
        return [h("p", say("Being compared …"), class_="note", role="status", data_soon="500")]
    if not found.modes:
        said = say("None of these runs was evaluated. Below an evaluation can be started.")
        return [h("p", said, class_="note"), differences.recipes(page, found)]
    modes = shown_modes(page, found)
    return [
        _modes(page, found, modes),
        differences.between_runs(page, found, modes),
        differences.recipes(page, found),
        samples.view(page, found, modes),
    ]


def shown_modes(page: Page, found: Comparison) -> list[str]:
    """Those chosen; where none was, the usual ones, and where there are none of these, whatever there is."""
    wanted = page.names("cmp_modes")
    usual = [mode for mode in found.modes if mode in MODES]
    return [mode for mode in found.modes if mode in wanted] or usual or found.modes


def _modes(page: Page, found: Comparison, modes: Sequence[str]) -> Markup:
    parts = [h("div", bars.view(page, mode, found.runs), table.view(page, mode, found.runs), class_="stack mode")
             for mode in modes]  # fmt: skip
    chooser = boxes(page.say("Modes"), "cmp_modes", {mode: mode for mode in found.modes}, modes)
    return h("section", chooser if len(found.modes) > 1 else None, *parts, id="compare-modes")
