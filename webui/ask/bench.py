"""Paste completions, and see what each reward gives for them and what it read."""

import json
from collections.abc import Mapping
from typing import Any

from grpoctl.errors import Finding, InputError
from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.load import read_resolved
from grpoctl.recipe.schema import Recipe
from grpoctl.run.directory import RunDirectory
from webui import processes
from webui.ask import scores
from webui.ask.scoring import MOST, completions_in, offered, split
from webui.ask.scoring import score as scored
from webui.fields import area, field, select
from webui.html import Markup, h
from webui.newest import newest_runs
from webui.page import Answer, Page
from webui.places import run_named
from webui.recipes.files import mark_of

_AT_FIRST = ("accuracy", "format")
_OFFERED_RUNS = 30
_MOST_CHARACTERS = 40_000


def view(page: Page) -> Markup:
    say = page.say
    runs = {run.name: run.name for run in newest_runs()[:_OFFERED_RUNS]}
    run = page.text("bench_run") if page.text("bench_run") in runs else ""
    wide = {"maxlength": _MOST_CHARACTERS, "spellcheck": "false"}
    return h(
        "section",
        h("h3", say("What is an answer worth?")),
        h("p", say("Paste a completion, or several with a line of --- between them."), class_="quiet"),
        h(
            "div",
            area(say("Completions"), "bench_text", page.text("bench_text"), rows=5, **wide),
            field(say("Gold answer"), "bench_gold", page.text("bench_gold"), maxlength=2000),
            field(say("Question"), "bench_question", page.text("bench_question"), maxlength=2000),
            select(say("Rewards"), "bench_run", {"": say("chosen below"), **_of_runs(page, runs)}, run),
            class_="grid",
        ),
        _of_recipe(page, run) if run else _chips(page),
        h("div", h("button", say("Score"), type="button", class_="primary", data_act="ask-score", id="bench-go"),
          class_="wrap buttons"),
        scores.view(page, mark_of(_given(page))),
        _by_command(page, run),
        id="bench",
    )  # fmt: skip


def _of_runs(page: Page, runs: Mapping[str, str]) -> dict[str, str]:
    return {name: page.say("as in the run {run}", run=name) for name in runs}


def _chips(page: Page) -> Markup:
    """The built-in rewards, and the tags that they look for."""
    say, on = page.say, _chosen(page)
    chips = [
        h("button", name, type="button", class_="chip", aria_pressed=str(name in on).lower(), title=found.summary,
          data_set={"bench_rewards": [each for each in (*on, name) if each != name or name not in on]})
        for name, found in offered().items()
    ]  # fmt: skip
    tags = Recipe()
    return h(
        "div",
        h("div", *chips, class_="chips", role="group", aria_label=say("Rewards")),
        h("div",
          field(say("Reasoning tag"), "bench_reasoning", page.text("bench_reasoning"), placeholder=tags.reasoning_tag),
          field(say("Answer tag"), "bench_answer", page.text("bench_answer"), placeholder=tags.answer_tag),
          class_="grid"),
        class_="stack",
    )  # fmt: skip


def _chosen(page: Page) -> list[str]:
    wanted = page.names("bench_rewards") if "bench_rewards" in page.state else _AT_FIRST
    known = offered()
    return [name for name in wanted if name in known]


def _of_recipe(page: Page, name: str) -> Markup:
    """What the run's recipe pays for; what is not scored from here is named."""
    try:
        recipe = _recipe_of_run(name)
    except InputError as error:
        return h("p", str(error), class_="note bad")
    uses, by_hand = split(recipe.reward_funcs)
    listed = ", ".join(f"{use.weight:g} × {use.use}" for use in uses)
    left = h(
        "p", page.say("Not from here, but by the command below: {names}", names=", ".join(by_hand)), class_="note warn"
    )
    return h("div", h("p", listed), left if by_hand else None)


def _recipe_of_run(name: str) -> Recipe:
    run = _run(name)
    reading = read_resolved(run.resolved)
    if reading.recipe is None or reading.errors:
        raise InputError(reading.errors)
    return reading.recipe


def _run(name: str) -> RunDirectory:
    run = run_named(name)
    if run is None:
        raise InputError(Finding("is not here any more", "choose another", file=name))
    return run


def _recipe_of_page(page: Page) -> Recipe:
    """The chosen rewards and tags as a recipe."""
    given = {"reasoning_tag": page.text("bench_reasoning").strip(), "answer_tag": page.text("bench_answer").strip()}
    uses = tuple(RewardUse(use=name) for name in _chosen(page))
    if not uses:
        raise InputError(Finding("none is chosen", "choose one", file=page.say("Rewards")))
    try:
        return Recipe.model_validate({name: tag for name, tag in given.items() if tag} | {"reward_funcs": uses})
    except ValueError:
        raise InputError(
            Finding("can be no tag's name", "use letters, digits, - and _", file=page.say("Answer tag"))
        ) from None


def _given(page: Page) -> str:
    """All that the scores depend on, so that a change makes them old."""
    names = ("bench_text", "bench_gold", "bench_question", "bench_run", "bench_reasoning", "bench_answer")
    return json.dumps([*map(page.text, names), _chosen(page)])


def score(page: Page, arguments: Mapping[str, Any]) -> Answer:
    text = page.text("bench_text")
    texts = completions_in(text)
    if not texts:
        raise InputError(Finding("is empty", "paste a completion", file=page.say("Completions")))
    if len(texts) > MOST or len(text) > _MOST_CHARACTERS:
        fix = f"paste {MOST} at most, of {_MOST_CHARACTERS} characters together"
        raise InputError(Finding("is too much at once", fix, file=page.say("Completions")))
    run = page.text("bench_run")
    recipe = _recipe_of_run(run) if run else _recipe_of_page(page)
    found = scored(texts, page.text("bench_question"), page.text("bench_gold"), recipe)
    return Answer({"bench_found": {**found, "of": mark_of(_given(page))}})


def _by_command(page: Page, name: str) -> Markup:
    """The same by hand: the lines of a file, and the command that reads them."""
    say, question, gold = page.say, page.text("bench_question"), page.text("bench_gold")
    more = ({"prompt": question} if question else {}) | ({"answer": gold} if gold else {})
    lines = "\n".join(
        json.dumps({**more, "completion": text}, ensure_ascii=False) for text in completions_in(page.text("bench_text"))
    )
    run = run_named(name) if name else None
    which = [str(run.recipe)] if run is not None else [word for each in _chosen(page) for word in ("--reward", each)]
    command = processes.command_line(["reward", "test", *which, "--file", "completions.jsonl"])
    return h(
        "details",
        h("summary", say("by the command line")),
        h("p", say("completions.jsonl, a line a completion:"), class_="quiet"),
        h("div", h("code", lines or "…"), h("button", say("Copy"), type="button", data_copy=lines), class_="command"),
        h("div", h("code", command), h("button", say("Copy"), type="button", data_copy=command), class_="command"),
        data_part="bench_command",
    )  # fmt: skip
