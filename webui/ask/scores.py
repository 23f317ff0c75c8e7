"""How do the scores look that the page has? It holds them itself, so that anything may stand in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from grpoctl.comparison.before_after import is_number
from webui.html import Child, Markup, h
from webui.page import Page


def view(page: Page, mark: str) -> Markup | None:
    found = page.state.get("bench_found")
    if not isinstance(found, Mapping):
        return None
    say = page.say
    each = [one for one in _list(found.get("completions")) if isinstance(one, Mapping)]
    totals = _list(found.get("totals"))
    names = list(dict.fromkeys(str(name) for one in each for name in _mapping(one.get("rewards"))))
    old = h("p", say("Something was changed since; score again."), class_="note warn", role="status")
    heads = [
        "#",
        say("completion"),
        say("read as the answer"),
        say("tags"),
        say("against the gold answer"),
        *names,
        say("sum"),
    ]
    rows = [
        _row(page, number, one, names, totals[number] if number < len(totals) else None)
        for number, one in enumerate(each)
    ]
    return h(
        "div",
        old if found.get("of") != mark else None,
        h("div",
          h("table", h("caption", say("Scores"), class_="hidden"),
            h("thead", h("tr", *[h("th", head, scope="col") for head in heads])), h("tbody", *rows)),
          class_="scroll", tabindex=0, role="region", aria_label=say("Scores")),
        *_notes(page, found),
        class_="stack",
        id="scores",
    )  # fmt: skip


def _row(page: Page, number: int, one: Mapping[str, Any], names: Sequence[str], total: object) -> Markup:
    rewards = _mapping(one.get("rewards"))
    tokens, tags = one.get("tokens"), _mapping(one.get("tags"))
    length = h("small", page.say("{n} tokens", n=tokens)) if is_number(tokens) else None
    return h(
        "tr",
        h("td", number + 1),
        h("td", h("div", str(one.get("begins", "")), class_="begins"), length),
        h("td", *_read(page, one)),
        h("td", *[h("div", f"{'✓' if there is True else '✗'} <{tag}>") for tag, there in tags.items()]),
        h("td", _verdict(page, one)),
        *[h("td", _number(rewards.get(name)), class_="number") for name in names],
        h("td", h("b", _number(total)), class_="number"),
    )  # fmt: skip


def _read(page: Page, one: Mapping[str, Any]) -> list[Child]:
    """What stands in the tag; else what is found elsewhere, which only the lenient accuracy counts."""
    extracted, anywhere = one.get("extracted"), one.get("anywhere")
    if isinstance(extracted, str):
        return [h("code", extracted[:200])]
    if isinstance(anywhere, str):
        return [h("small", page.say("none in its tag; elsewhere")), " ", h("code", anywhere[:200])]
    return [h("small", page.say("none"))]


def _verdict(page: Page, one: Mapping[str, Any]) -> Markup:
    say = page.say
    if one.get("right") is None:
        return h("span", say("none given"), class_="quiet")
    if one.get("right") is True:
        return h("span", f"✓ {say('right')}", class_="pill finished")
    if one.get("near") is True:
        return h("span", f"≈ {say('within 10%')}", class_="pill stopped")
    if one.get("right_anywhere") is True:
        return h("span", say("right, but not in its tag"), class_="pill stopped")
    return h("span", f"✗ {say('wrong')}", class_="pill failed")


def _notes(page: Page, found: Mapping[str, Any]) -> list[Markup]:
    say = page.say
    notes = [
        h("p", say("{name} fails: {why}", name=name, why=why), class_="note bad")
        for name, why in _mapping(found.get("faults")).items()
    ]
    notes += [
        h("p", say("{name} was left out: it reads {columns}.", name=name, columns=", ".join(map(str, _list(columns)))),
          class_="note warn")
        for name, columns in _mapping(found.get("without")).items()
    ]  # fmt: skip
    return notes


def _number(value: object) -> str:
    return f"{value:.4g}" if is_number(value) else "–"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []
