"""What stands on the tab? The question and its answers, and below them the bench of the rewards."""

from webui.ask import bench, questions
from webui.html import Markup, h
from webui.page import Page


def view(page: Page) -> Markup:
    return h("div", questions.view(page), bench.view(page), class_="stack")
