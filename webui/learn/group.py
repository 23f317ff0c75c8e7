"""The group advantage by hand: rewards in, and out come the baseline, each answer's push, and what a flat group is."""

import math
from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np

from grpoctl.advantage import advantages, expected_flat_share, is_flat
from webui.html import Markup, h
from webui.page import Answer, Page

_FEWEST, _MOST, _REACH = 2, 16, 1000
_SCALES = ("group", "none")
_EXAMPLES: dict[str, tuple[str, tuple[float, ...]]] = {
    "one": ("one right of eight", (1, 0, 0, 0, 0, 0, 0, 0)),
    "half": ("half of them right", (1, 0, 1, 0, 1, 0, 1, 0)),
    "all": ("all right", (1,) * 8),
    "graded": ("graded, not right or wrong", (2.0, 1.5, 1.5, 1.0, 0.5, 0.5, 0.0, -0.5)),
}
_WIDTH, _ROW, _LEFT = 560, 24, 46


def view(page: Page) -> Markup:
    say, rewards = page.say, rewards_of(page)
    scale = page.text("learn_scale") if page.text("learn_scale") in _SCALES else "group"
    table = np.array([rewards])
    found = advantages(table, cast(Literal["group", "none"], scale))[0].tolist()
    flat = bool(is_flat(table)[0])
    return h(
        "section",
        h("h2", say("A group, by hand")),
        h("p", say("One question, G answers, a reward each. Change them and see which way each answer is pushed."),
          class_="quiet"),
        h("div", *[
            h("button", say(title), type="button", class_="chip", data_act="learn-example", data_args={"name": name})
            for name, (title, _) in _EXAMPLES.items()
        ], class_="chips", role="group", aria_label=say("Examples")),
        _controls(page, rewards, scale),
        h("div", *[_field(page, place, reward) for place, reward in enumerate(rewards)], class_="rewards"),
        h("p", _in_words(page, rewards, scale, flat), id="learn-words", role="status"),
        bars(page, rewards, found),
        _flat_share(page, rewards),
        id="learn-group",
    )  # fmt: skip


def rewards_of(page: Page) -> list[float]:
    """Those on the page; what is no number counts as 0."""
    given = page.state.get("learn_rewards")
    values = given if isinstance(given, list) else _EXAMPLES["one"][1]
    rewards = [_number(value) for value in values][:_MOST]
    return rewards + [0.0] * (_FEWEST - len(rewards))


def _number(value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return 0.0
    return max(-_REACH, min(_REACH, found)) if math.isfinite(found) else 0.0


def _controls(page: Page, rewards: list[float], scale: str) -> Markup:
    say = page.say
    words = {"group": say("by the group's spread (TRL's way)"), "none": say("by nothing (A = R - mean)")}
    return h(
        "div",
        h("div", h("label", say("Answers, G"), for_="learn-g"),
          h("input", id="learn-g", type="number", min=_FEWEST, max=_MOST, value=len(rewards), data_value=len(rewards),
            data_edit="g", data_act="learn-size"), class_="field"),
        h("div", h("label", say("Advantage divided"), for_="learn-scale"),
          h("select", *[h("option", text, value=key, selected=key == scale) for key, text in words.items()],
            id="learn-scale", data_state="learn_scale", data_value=scale), class_="field"),
        class_="grid",
    )  # fmt: skip


def _field(page: Page, place: int, reward: float) -> Markup:
    name = page.say("reward of answer {n}", n=place + 1)
    return h("input", type="number", step="any", value=f"{reward:g}", data_value=f"{reward:g}", aria_label=name,
             title=name, data_edit=str(place), data_act="learn-reward")  # fmt: skip


def _in_words(page: Page, rewards: list[float], scale: str, flat: bool) -> str:
    say, mean = page.say, sum(rewards) / len(rewards)
    if flat:
        return say(
            "All answers scored {reward:g}: nobody is better than the baseline, so this group teaches nothing.",
            reward=rewards[0],
        )
    deviation = float(np.std(rewards, ddof=1))
    better = sum(reward > mean for reward in rewards)
    if scale == "none":
        return say(
            "The baseline is the group's mean, {mean:.3g}. {n} of {all} answers are above it and become likelier.",
            mean=mean,
            n=better,
            all=len(rewards),
        )
    return say(
        "The baseline is the group's mean, {mean:.3g}; its spread is {std:.3g}. {n} of {all} answers are above it and "
        "become likelier.",
        mean=mean,
        std=deviation,
        n=better,
        all=len(rewards),
    )


def bars(page: Page, rewards: list[float], found: list[float]) -> Markup:
    """Each answer's advantage, to the right or to the left of nothing."""
    reach = max(1e-9, *map(abs, found))
    middle = _LEFT + (_WIDTH - _LEFT) / 2
    rows = []
    for place, (reward, advantage) in enumerate(zip(rewards, found, strict=True)):
        length = abs(advantage) / reach * (_WIDTH - middle - 62)
        top = place * _ROW + 3
        start = middle if advantage >= 0 else middle - length
        kind = "up" if advantage > 0 else "down" if advantage < 0 else "flat"
        beside = middle + length + 6 if advantage >= 0 else middle - length - 6
        anchor = "start" if advantage >= 0 else "end"
        rows.append(h("text", f"{reward:g}", x=_LEFT - 10, y=top + 13, text_anchor="end"))
        rows.append(
            h("rect", x=f"{start:.1f}", y=top, width=f"{max(length, 1):.1f}", height=_ROW - 6, rx=3, class_=kind)
        )
        rows.append(h("text", f"{advantage:+.2f}", x=f"{beside:.1f}", y=top + 13, text_anchor=anchor, class_="strong"))
    height = len(rewards) * _ROW
    said = ", ".join(f"{reward:g}: {advantage:+.2f}" for reward, advantage in zip(rewards, found, strict=True))
    line = h("line", x1=f"{middle:.1f}", x2=f"{middle:.1f}", y1=0, y2=height, class_="axis")
    label = page.say("rewards and their advantages: {said}", said=said)
    return h("svg", line, *rows, viewBox=f"0 0 {_WIDTH} {height}", role="img", aria_label=label, class_="advantages")


def _flat_share(page: Page, rewards: list[float]) -> Markup:
    """How often a group of this size is flat, over how hard its question is."""
    say, group = page.say, len(rewards)
    width, height, left, top = 560, 150, 44, 8
    wide, high = width - left - 16, height - top - 30

    def at(solved: float) -> tuple[float, float]:
        return left + solved * wide, top + (1 - expected_flat_share(solved, group)) * high

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, np.linspace(0, 1, 101).tolist()))
    solved = min(1.0, max(0.0, sum(reward > 0 for reward in rewards) / group))
    x, y = at(solved)
    grid = [
        part
        for share in (0.0, 0.5, 1.0)
        for part in (
            h(
                "line",
                x1=left,
                x2=left + wide,
                y1=f"{top + share * high:.1f}",
                y2=f"{top + share * high:.1f}",
                class_="grid-line",
            ),
            h("text", f"{1 - share:.0%}", x=left - 6, y=f"{top + share * high + 4:.1f}", text_anchor="end"),
            h("text", f"{share:.0%}", x=f"{left + share * wide:.1f}", y=height - 12, text_anchor="middle"),
        )
    ]
    words = say(
        "Where each answer is right with a chance of {solved:.0%}, {share:.1%} of the groups of {n} are flat.",
        solved=solved,
        share=expected_flat_share(solved, group),
        n=group,
    )
    return h(
        "div",
        h("h3", say("How often is a group flat?")),
        h("p", words, class_="quiet"),
        h(
            "svg",
            *grid,
            h("polyline", points=line, class_="curve"),
            h("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=5, class_="here"),
            h("text", say("chance that an answer is right"), x=left + wide / 2, y=height + 6, text_anchor="middle"),
            viewBox=f"0 0 {width} {height + 11}",
            role="img",
            aria_label=words,
            class_="flat-shares",
        ),
    )


def set_example(page: Page, arguments: Mapping[str, Any]) -> Answer:
    name = str(arguments.get("name"))
    return Answer({"learn_rewards": list(_EXAMPLES[name][1])}) if name in _EXAMPLES else Answer()


def set_size(page: Page, arguments: Mapping[str, Any]) -> Answer:
    """More answers are wrong ones."""
    rewards, wanted = rewards_of(page), _number(arguments.get("value"))
    size = max(_FEWEST, min(_MOST, int(wanted)))
    said = "" if size == wanted else page.say(
        "A group has {least} to {most} answers here: {n} it is.", least=_FEWEST, most=_MOST, n=size
    )  # fmt: skip
    return Answer({"learn_rewards": (rewards + [0.0] * size)[:size]}, said=said)


def set_reward(page: Page, arguments: Mapping[str, Any]) -> Answer:
    rewards, place, typed = rewards_of(page), str(arguments.get("key")), str(arguments.get("value", "")).strip()
    if not (place.isdigit() and int(place) < len(rewards)):
        return Answer()
    rewards[int(place)] = taken = _number(typed)
    return Answer({"learn_rewards": rewards}, said="" if _is_taken_as(typed, taken) else page.say(
        "A reward is a number from {least} to {most} here: {taken:g} it is.", least=-_REACH, most=_REACH, taken=taken
    ))  # fmt: skip


def _is_taken_as(typed: str, taken: float) -> bool:
    try:
        return float(typed) == taken
    except ValueError:
        return False
