"""Whose words are these, where the page speaks Chinese? What a command or a run says is shown as it says it."""

from webui.html import Markup, h
from webui.page import Page


def as_printed(page: Page) -> Markup | None:
    """Stands before a text that is English in every language of the page."""
    if page.say.language == "en":
        return None
    return h("small", page.say("As the command prints it, in English:"), class_="quiet as-printed")
