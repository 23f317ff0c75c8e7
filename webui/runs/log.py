"""The end of a run's log, and what its command said where it never came to a log."""

from pathlib import Path

from webui.html import Markup, h
from webui.page import Page
from webui.runs.standing import Standing

_TAIL_BYTES = 48 * 1024


def view(page: Page, found: Standing) -> Markup:
    assert found.directory is not None
    text = tail(found.directory.log)
    if not text:
        return h("p", page.say("The log is empty."), class_="note")
    return h("pre", text, data_tail=True, tabindex=0, aria_label=page.say("Log"), id="log")


def start_view(page: Page, found: Standing) -> Markup:
    """Of a run without a folder: the command that was given, and what it answered."""
    started = found.started
    if started is None:
        return h("p", page.say("There is nothing to show."), class_="note")
    said = started.said.strip() or page.say("It has said nothing yet.")
    return h("div", h("div", h("code", started.command), class_="command"), h("pre", said, id="log"), class_="stack")


def tail(path: Path) -> str:
    """Whole lines from the end."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _TAIL_BYTES))
            data = stream.read()
    except OSError:
        return ""
    if size > _TAIL_BYTES:
        data = data.partition(b"\n")[2]
    # A progress bar draws over its own line.
    lines = data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r")[2] for line in lines).strip("\n")
