"""What did the model say at a step, what did each reward make of it, and which way was it pushed?"""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from grpoctl.run.directory import RunDirectory
from webui.fields import field, select
from webui.html import Markup, h
from webui.page import Page
from webui.runs.standing import Standing

_SHOWN = 48
_MAX_BYTES = 32 * 2**20
_LONG = 700  # characters; what is longer is folded


def view(page: Page, found: Standing) -> Markup:
    say = page.say
    assert found.directory is not None
    steps = kept_steps(found.directory)
    if not steps:
        return h("p", say("No completions are kept yet."), class_="note")
    step = int(page.number("sample_step", steps[-1]))
    step = step if step in steps and page.state.get("sample_step") not in ("", None) else steps[-1]
    search, sign = page.text("sample_search").strip().lower(), page.text("sample_sign")
    samples = read_step(found.directory, step)
    shown = [sample for sample in samples if _matches(sample, search, sign)]
    more = len(shown) - _SHOWN
    groups = [
        _group(page, prompt, list(group))
        for prompt, group in groupby(shown[:_SHOWN], key=lambda sample: str(sample.get("prompt")))
    ]
    count = say("{n} of {all} completions of step {step}", n=len(shown), all=len(samples), step=step)
    by_step = {"": say("the newest"), **{str(each): str(each) for each in reversed(steps)}}
    signs = {"": say("all"), "+": say("pushed up"), "-": say("pushed down"), "0": say("no push")}
    stay = {"sample_step": str(step)}  # who looks for something stays at the step that is looked at
    return h(
        "div",
        h(
            "div",
            select(say("Step"), "sample_step", by_step, page.text("sample_step")),
            select(say("Which"), "sample_sign", signs, sign, data_also=stay),
            field(say("Search"), "sample_search", page.text("sample_search"), type="search", data_also=stay),
            class_="grid",
        ),
        h("p", count, class_="quiet"),
        *groups,
        h("p", say("and {n} more; search narrows them down", n=more), class_="quiet") if more > 0 else None,
        class_="stack",
    )


def kept_steps(run: RunDirectory) -> list[int]:
    """The steps whose completions lie in the folder."""
    try:
        names = [path.stem.partition("-")[2] for path in run.completions(0).parent.glob("step-*.jsonl")]
    except OSError:
        return []
    return sorted(int(name) for name in names if name.isdigit())


_read: dict[Path, tuple[tuple[int, int], list[dict[str, Any]]]] = {}


def read_step(run: RunDirectory, step: int) -> list[dict[str, Any]]:
    """The completions of a step; the last file read is remembered."""
    path = run.completions(step)
    try:
        stat = path.stat()
        mark = (stat.st_mtime_ns, stat.st_size)
        kept = _read.get(path)
        if kept is None or kept[0] != mark:
            with path.open("rb") as stream:
                lines = stream.read(_MAX_BYTES).split(b"\n")
            _read.clear()
            kept = _read[path] = (mark, [each for each in map(_object, lines) if each is not None])
        return kept[1]
    except OSError:
        return []


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):  # half a line
        return None
    return value if isinstance(value, dict) else None


def _matches(sample: dict[str, Any], search: str, sign: str) -> bool:
    advantage = _number(sample.get("advantage")) or 0.0
    if {"+": advantage <= 0, "-": advantage >= 0, "0": advantage != 0}.get(sign, False):
        return False
    return not search or any(search in str(sample.get(name, "")).lower() for name in ("prompt", "completion", "answer"))


def _group(page: Page, prompt: str, samples: Sequence[dict[str, Any]]) -> Markup:
    question = str(samples[0].get("question") or prompt)
    return h(
        "section",
        h("div", _folded(page, question), class_="question"),
        h("small", page.say("gold answer"), " ", h("b", str(samples[0].get("answer", "–"))), class_="quiet"),
        h("div", *[_card(page, sample) for sample in samples], class_="cards"),
        class_="sample",
    )


def _card(page: Page, sample: dict[str, Any]) -> Markup:
    advantage, reward = _number(sample.get("advantage")), _number(sample.get("reward"))
    kind = "up" if (advantage or 0) > 0 else "down" if (advantage or 0) < 0 else "flat"
    arrow = {"up": "▲", "down": "▼", "flat": "●"}[kind]  # not by colour alone
    rewards = sample.get("rewards")
    each = [
        h("span", f"{name} ", h("b", "–" if _number(value) is None else f"{value:g}"))
        for name, value in (rewards.items() if isinstance(rewards, dict) else [])
    ]
    return h(
        "div",
        h(
            "div",
            h("span", f"{arrow} {advantage:+.2f}" if advantage is not None else "–", class_=f"advantage {kind}",
              title=page.say("advantage")),
            h("b", f"{reward:.3g}" if reward is not None else "–", title=page.say("reward")),
            h("span", *each, class_="each wrap"),
            class_="wrap",
        ),
        h("div", _folded(page, str(sample.get("completion", ""))), class_="said"),
        class_=f"card {kind}",
    )  # fmt: skip


def _folded(page: Page, text: str) -> Markup:
    if len(text) <= _LONG:
        return h("span", text)
    rest = h("details", h("summary", page.say("all {n} characters", n=len(text))), h("span", text))
    return h("div", h("span", text[:_LONG], "…"), rest)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
