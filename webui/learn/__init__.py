"""The tab for who has never met GRPO: a group by hand, its memory beside PPO's, and a run in one click."""

from webui.html import Markup, h
from webui.learn import digits, group, memory, reading
from webui.page import Act, Page, View


def view(page: Page) -> Markup:
    first = h("div", group.view(page), digits.view(page), class_="stack")
    return h("div", first, h("div", reading.view(page), memory.view(page), class_="stack"), class_="two")


VIEWS: dict[str, View] = {"learn": view}
ACTS: dict[str, Act] = {
    "learn-example": group.set_example,
    "learn-size": group.set_size,
    "learn-reward": group.set_reward,
    "learn-digits": digits.train,
}
