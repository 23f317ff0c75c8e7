"""How is HTML put together so that no text in it can become code?"""

import html
import json
from collections.abc import Iterable
from typing import Any, TypeAlias


class Markup(str):
    """HTML as it stands. Everything else that is text is escaped on its way in."""

    __slots__ = ()


Child: TypeAlias = "str | int | float | Iterable[Child] | None"

_EMPTY = {"br", "hr", "img", "input", "meta"}


def h(tag: str, *children: Child, **attributes: Any) -> Markup:
    """An element. `class_` and `for_` lose their underscore, `data_run` is data-run, a mapping is written as JSON."""
    said = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _EMPTY:
        return Markup(f"<{tag}{said}>")
    return Markup(f"<{tag}{said}>{join(children)}</{tag}>")


def join(children: Iterable[Child], between: str = "") -> Markup:
    """Several of them, one behind the other."""
    return Markup(between.join(_child(child) for child in children))


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str | int | float):
        return html.escape(_whole(str(child)))
    return join(child)


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return f' {name}="{html.escape(_whole(text))}"'


def _whole(text: str) -> str:
    # Half of a surrogate pair, which a model may well say, cannot be sent as UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8")
