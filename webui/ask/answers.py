"""How do a question and its answers look, those included that are still coming?"""

from collections.abc import Sequence

from webui.ask.exchange import Exchange, Spoken
from webui.html import Child, Markup, h
from webui.page import Page

_SOON_MS = 250


def exchanges(page: Page, found: Sequence[Exchange]) -> Markup | None:
    """The newest first."""
    if not found:
        return None
    waits = any(not each.over for each in found)
    forget = h("button", page.say("Clear the answers"), type="button", class_="link", data_act="ask-forget")
    return h(
        "div",
        *[_exchange(page, each) for each in reversed(found)],
        forget if not waits else None,
        class_="stack",
        id="answers",
        data_soon=_SOON_MS if waits else None,
    )


def _exchange(page: Page, each: Exchange) -> Markup:
    seed = f" · {page.say('seed')} {each.seed}" if each.seed is not None else ""
    voices = [_voice(page, each, model, each.answers.get(model)) for model in each.models]
    return h(
        "section",
        h("div", each.question, class_="question"),
        h("small", h("bdi", each.run), f" · {each.mode}{seed}", class_="quiet"),
        h("div", *voices, class_="two") if voices else None,
        _state(page, each),
        class_="exchange",
        id=f"exchange-{each.id}",
        aria_busy="false" if each.over else "true",
    )


def _state(page: Page, each: Exchange) -> Markup | None:
    say = page.say
    if each.stopped:
        return h("p", say("Stopped.") if each.over else say("Stopping …"), class_="note", role="status")
    if each.error:
        return h("p", each.error, class_="note bad", role="alert")
    if not each.over and not each.begun:
        return h("p", say("Waiting for the model …"), class_="quiet", role="status")
    return None


def _voice(page: Page, each: Exchange, model: str, spoken: Spoken | None) -> Markup:
    comes = not each.over and (spoken is None or not spoken.done)
    cursor = h("span", "▍", class_="cursor", aria_hidden="true") if comes and spoken is not None else None
    text: Child = spoken.text if spoken is not None else ""
    return h(
        "div",
        h("div", h("b", model), *_measures(page, spoken), class_="wrap"),
        h("div", text, cursor, class_="said"),
        class_="card",
    )


def _measures(page: Page, spoken: Spoken | None) -> list[Markup]:
    if spoken is None or not spoken.done:
        return []
    say = page.say
    count = h("span", say("{n} tokens", n=spoken.tokens), class_="quiet")
    return [count, *([h("span", say("cut off"), class_="pill stopped")] if spoken.truncated else [])]
