"""How does a part of the page stay current? An island asks for its HTML again and again, and gets it where it changed.

The HTML is made here, in Python; static/island.js puts it in place, and passes clicks and fields on. Views are asked
over plain HTTP, outside of Gradio's queue, so that a part that is slow holds up no other.
"""

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import gradio as gr

from grpoctl.errors import GrpoctlError, printable
from webui import ask, compare, learn, recipes, runs
from webui.html import h
from webui.page import Act, Page, View, refusal
from webui.words import Say

_TABS = (recipes, runs, compare, ask, learn)
VIEWS: dict[str, View] = {name: view for tab in _TABS for name, view in tab.VIEWS.items()}
ACTS: dict[str, Act] = {name: act for tab in _TABS for name, act in tab.ACTS.items()}

_log = logging.getLogger(__name__)


def island(name: str, every_s: float | None = None, **more: Any) -> gr.HTML:
    """A place on the page for one view, asked for again at a pace of its own where it shows what others change."""
    assert name in VIEWS, name
    return gr.HTML(
        html_template=f'<div class="island" id="{name}"></div>',
        js_on_load=f'grpo.mount(element, server, trigger, "{name}", {every_s or 0});',
        server_functions=[view, act],
        apply_default_css=False,
        **more,
    )


def view(asked: list[Any]) -> dict[str, str | None]:
    """The HTML of a view for the page's state; none where it is what the page has already."""
    name, page, seen = str(asked[0]), _page(asked[1]), asked[2]
    try:
        html = VIEWS[name](page) if name in VIEWS else h("p")
    except Exception as error:
        html = h("div", _in_words(error), class_="note bad", role="alert")
    now = hashlib.blake2s(html.encode(), digest_size=8).hexdigest()
    return {"html": None if now == seen else html, "seen": now}


def act(asked: list[Any]) -> dict[str, Any]:
    """Do what was clicked, and say what came of it."""
    name, page, arguments = str(asked[0]), _page(asked[1]), asked[2]
    if name not in ACTS:
        return refusal(f"{printable(name[:40])}?").as_json()
    try:
        return ACTS[name](page, arguments if isinstance(arguments, Mapping) else {}).as_json()
    except Exception as error:
        return refusal(_in_words(error)).as_json()


def _page(state: Any) -> Page:
    state = state if isinstance(state, Mapping) else {}
    return Page(state, Say(str(state.get("lang"))))


def _in_words(error: Exception) -> str:
    """One line for the user; what nobody foresaw goes into the server's log as a whole."""
    if isinstance(error, GrpoctlError):
        return str(error)
    _log.exception("the page has a fault")
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(f"{type(error).__name__}: {said}"[:300])
