"""The digits run in one click: GRPO on pictures of digits, in seconds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from grpoctl.engines.base import ENGINES
from grpoctl.errors import Finding, InputError
from grpoctl.packages import missing_packages
from webui import places, processes
from webui.html import Markup, h
from webui.page import Answer, Page

_RECIPE = "mnist_grpo"


def view(page: Page) -> Markup:
    say = page.say
    missing = missing_packages(ENGINES["mlp"].packages)
    command = processes.command_line(["train", _RECIPE])
    lacks = say("This Python lacks {packages}: pip install 'grpoctl[mnist]'", packages=", ".join(missing))
    return h(
        "section",
        h("h2", say("See it learn, in seconds")),
        h("p", say("A network of three layers guesses the digit in a picture, G times each; right ones are pushed up. "
                   "It takes MNIST where torchvision is there to fetch it, and scikit-learn's small digits else."),
          class_="quiet"),
        h("div", h("code", command), h("button", say("Copy"), type="button", data_copy=command), class_="command"),
        h("p", lacks, class_="note warn") if missing else None,
        h("button", say("Train on digits"), type="button", class_="primary", id="train-digits", data_act="learn-digits",
          disabled=bool(missing)),
        id="learn-digits",
    )  # fmt: skip


def train(page: Page, arguments: Mapping[str, Any]) -> Answer:
    if missing_packages(ENGINES["mlp"].packages):
        raise InputError(Finding("is not installed", "pip install 'grpoctl[mnist]'", file="engine mlp"))
    name = f"digits-{datetime.now():%m%d-%H%M%S}"
    folder = places.new_run_folder(name)
    processes.start(["train", _RECIPE, f"output_dir={folder}"], about=name)
    return Answer({"tab": "runs", "run": name}, said=page.say("Started."))
