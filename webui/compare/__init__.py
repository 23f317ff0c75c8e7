"""The tab compare: to be written."""

from webui.html import Markup, h
from webui.page import Act, Page, View


def view(page: Page) -> Markup:
    return h("p", "…")


VIEWS: dict[str, View] = {"compare": view}
ACTS: dict[str, Act] = {}
