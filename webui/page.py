"""What do a page's parts know, and what may they answer?

The page itself is one mapping in the browser, `state`; the server keeps nothing between two calls. What comes from
there may hold anything, so that a part takes it by kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webui.html import Markup
from webui.words import Say


@dataclass(frozen=True)
class Page:
    """One browser tab, as it stands at this moment."""

    state: Mapping[str, Any]
    say: Say

    def text(self, name: str, default: str = "") -> str:
        value = self.state.get(name)
        return value if isinstance(value, str) else default

    def number(self, name: str, default: float) -> float:
        """Also from a text field."""
        try:
            value = float(self.state.get(name, default))
        except (TypeError, ValueError):
            return default
        return value if -1e15 < value < 1e15 else default

    def names(self, name: str) -> list[str]:
        value = self.state.get(name)
        return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []

    def flag(self, name: str) -> bool:
        return self.state.get(name) is True


@dataclass
class Answer:
    """What comes of a click: changes of the page, a word to the user, a text for the editor."""

    state: dict[str, Any] = field(default_factory=dict)
    said: str = ""
    wrong: bool = False
    write: str | None = None  # the recipe's new text
    data: Any = None  # what a script asked for

    def as_json(self) -> dict[str, Any]:
        return {"state": self.state, "said": self.said, "wrong": self.wrong, "write": self.write, "data": self.data}


def refusal(said: str) -> Answer:
    return Answer(said=said, wrong=True)


View = Callable[[Page], Markup]
Act = Callable[[Page, Mapping[str, Any]], Answer]
