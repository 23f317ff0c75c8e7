"""All runs, also those that a terminal started, the newest first."""

from grpoctl.run.directory import folders_without_manifest, runs_root
from webui.html import Markup, h
from webui.page import Page
from webui.runs.standing import Standing, all_standing
from webui.runs.words import duration, started_at, status_pill

_AT_FIRST, _NAMED = 30, 5


def view(page: Page) -> Markup:
    say = page.say
    most = int(page.number("runs_shown", _AT_FIRST))
    found, count = all_standing(max(1, min(most, 2000)))
    if not found:
        return h(
            "div",
            h("p", say("No run is below {folder} yet.", folder=runs_root())),
            h("button", say("Start one"), type="button", class_="primary", data_set={"tab": "recipes"}),
            _without_manifest(page),
            class_="note empty",
        )
    head = [
        h("th", h("span", say("curve"), class_="hidden"), scope="col"),
        h("th", say("Run"), scope="col"),
        h("th", say("Status"), scope="col"),
        h("th", say("Progress"), scope="col"),
        h("th", say("Time left"), scope="col", class_="number wide-only"),
        h("th", say("Reward"), scope="col", class_="number"),
        h("th", say("Accuracy"), scope="col", class_="number wide-only"),
        h("th", say("Started"), scope="col", class_="wide-only"),
    ]
    table = h(
        "table",
        h("caption", say("Runs"), class_="hidden"),
        h("thead", h("tr", *head)),
        h("tbody", *[_row(page, each) for each in found], data_boxes="overlay"),
        id="runs-table",
    )
    more = (
        h("button", say("Show all {n}", n=count), type="button", class_="link", data_set={"runs_shown": 2000})
        if count > len(found)
        else None
    )
    return h("div", h("div", table, class_="scroll"), more, _without_manifest(page), class_="stack")


def _without_manifest(page: Page) -> Markup | None:
    folders = folders_without_manifest()
    if not folders:
        return None
    names = ", ".join(map(str, folders[:_NAMED])) + (" …" if len(folders) > _NAMED else "")
    said = page.say("Not shown, as they hold a run's events and no manifest.json: {names}", names=names)
    return h("p", said, class_="quiet", id="without-manifest")


def _row(page: Page, each: Standing) -> Markup:
    say, view = page.say, each.view
    chosen = page.text("run") == each.name
    overlaid = each.name in page.names("overlay")
    reward = view.metrics.get("reward")
    box = h(
        "input",
        type="checkbox",
        value=each.name,
        checked=overlaid,
        data_state="overlay",
        data_list=True,
        aria_label=say("draw the curves of {run} too", run=each.name),
        title=say("draw its curves too"),
    )
    return h(
        "tr",
        h("td", box),
        h("td", h("button", each.name, type="button", class_="link name", data_set={"run": each.name})),
        h("td", status_pill(page, view.status, each.is_damaged)),
        h("td", _progress(each)),
        h("td", duration(each.left_s), class_="number wide-only"),
        h("td", f"{reward:.3f}" if isinstance(reward, int | float) else "–", class_="number"),
        h("td", f"{each.accuracy:.1%}" if each.accuracy is not None else "–", class_="number wide-only"),
        h("td", started_at(view), class_="wide-only"),
        class_="chosen" if chosen else None,
        aria_current="true" if chosen else None,
        data_run=each.name,
    )


def _progress(each: Standing) -> Markup:
    view = each.view
    return h(
        "div",
        h("div", h("i", style=f"width:{100 * each.share:.1f}%"), class_="bar"),
        h("small", f"{view.step:,} / {view.max_steps:,}" if view.max_steps else f"{view.step:,}", class_="quiet"),
    )
