"""The curves of one run and of those laid over it, in so few points that ten thousand steps are drawn at once.

Each curve comes as at most 400 buckets: the mean of each, and its lowest and highest value for the band around it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grpoctl.run.events import EVAL
from grpoctl.run.metric_words import OF_TEXT_ALONE
from webui.html import Markup, h
from webui.live import LiveRun, live_run
from webui.newest import manifest_of
from webui.page import Answer, Page
from webui.places import run_named
from webui.runs.standing import Standing

_BUCKETS, _MOST_RUNS = 400, 6
_DIGITS = 5

# Title, and the metrics that one chart shows; `rewards/` stands for each reward's mean.
_CHARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Reward", ("reward",)),
    ("Each reward", ("rewards/",)),
    ("Spread within a group", ("reward_std",)),
    ("Flat groups", ("zero_std_share",)),
    ("KL", ("kl",)),
    ("Entropy", ("entropy",)),
    ("Length of the answers", ("completions/mean_length",)),
    ("Cut off at the limit", ("completions/clipped_ratio",)),
    ("Learning rate", ("learning_rate",)),
    ("Gradient's norm", ("grad_norm",)),
    ("Seconds a step", ("step_time_s",)),
)
_EVALUATED = "Accuracy, evaluated"


def view(page: Page, found: Standing) -> Markup:
    """An empty place for the charts; static/charts_uplot.js asks for the points and draws them."""
    say = page.say
    wanted = list(dict.fromkeys([found.name, *page.names("overlay")]))
    names = wanted[:_MOST_RUNS]
    too_many = say("At most {n} runs are drawn; {more} are left out.", n=_MOST_RUNS, more=len(wanted) - len(names))
    smooth = page.text("smooth", "some")
    choices = {"none": say("as logged"), "some": say("smoothed"), "much": say("much smoothed")}
    return h(
        "div",
        h(
            "div",
            h("label", say("Lines"), for_="smooth"),
            h(
                "select",
                *[h("option", text, value=key, selected=key == smooth) for key, text in choices.items()],
                id="smooth",
                data_state="smooth",
                data_value=smooth,
            ),
            h("small", say("Tick runs in the table to draw their curves too; drag to zoom, double click to go back."),
              class_="quiet"),
            class_="wrap",
        ),
        h("p", too_many, class_="note warn") if len(wanted) > len(names) else None,
        h(
            "div",
            class_="charts",
            data_keep="charts",
            data_runs=names,
            data_smooth=smooth,
            data_titles={title: say(title) for title in [*[title for title, _ in _CHARTS], _EVALUATED]},
            data_nothing=say("No step is logged yet."),
            id="charts",
        ),
        class_="stack",
    )  # fmt: skip


def series(page: Page, arguments: Mapping[str, Any]) -> Answer:
    """The points of the runs asked for; none of those that have logged nothing since the script last asked."""
    seen = arguments.get("seen")
    seen = seen if isinstance(seen, Mapping) else {}
    wanted = arguments.get("runs")
    found = {}
    for name in [str(each) for each in wanted][:_MOST_RUNS] if isinstance(wanted, list) else []:
        run = run_named(name)
        if run is None:
            continue
        live = live_run(run)
        mark = f"{len(live.steps)}-{len(live.others)}-{live.resumed_at}"
        if seen.get(name) != mark:
            left_out = OF_TEXT_ALONE if manifest_of(run).get("engine") == "mlp" else ()
            found[name] = {"mark": mark, **points_of(live, left_out)}
    return Answer(data={"runs": found, "charts": [[title, names] for title, names in _CHARTS], "evaluated": _EVALUATED})


def points_of(live: LiveRun, left_out: Sequence[str] = ()) -> dict[str, Any]:
    """The shared steps and, by metric, the mean of each bucket with its lowest and highest."""
    names = [name for name in live.columns if _is_drawn(name) and name not in left_out]
    count = min([len(live.steps), *[len(live.columns[name]) for name in names]])
    if not count:
        return {"x": [], "y": {}, "evals": _evaluations(live)}
    edges = np.unique(np.linspace(0, count, min(_BUCKETS, count) + 1).astype(int))
    starts, ends = edges[:-1], edges[1:]
    x = np.array(live.steps[:count])[ends - 1].astype(int).tolist()
    y = {}
    for name in names:
        # A copy: an array that NumPy looks into could not grow meanwhile.
        values = np.array(live.columns[name][:count], dtype=np.float64)
        if np.isnan(values).all():
            continue
        y[name] = _bucketed(values, starts, count > _BUCKETS)
    return {"x": x, "y": y, "evals": _evaluations(live)}


def _bucketed(values: Any, starts: Any, several: bool) -> list[list[float | None]]:
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    counts = np.add.reduceat(known, starts)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.add.reduceat(filled, starts) / counts
    if not several:
        return [_short(mean)]
    low = np.minimum.reduceat(np.where(known, values, np.inf), starts)
    high = np.maximum.reduceat(np.where(known, values, -np.inf), starts)
    return [_short(mean), _short(low), _short(high)]


def _short(values: Any) -> list[float | None]:
    """Few digits, as a pixel shows no more."""
    return [float(f"{value:.{_DIGITS - 1}g}") if math.isfinite(value) else None for value in values.tolist()]


def _is_drawn(name: str) -> bool:
    if name.startswith("rewards/"):
        return name.endswith("/mean")
    return any(name in names for _, names in _CHARTS)


def _evaluations(live: LiveRun) -> dict[str, Sequence[Sequence[float]]]:
    """By mode, the steps and accuracies of the evaluations."""
    found: dict[str, list[tuple[float, float]]] = {}
    for event in live.of_kind(EVAL):
        step, accuracy = event.get("step"), event.get("accuracy")
        if isinstance(step, int | float) and isinstance(accuracy, int | float):
            found.setdefault(str(event.get("mode")), []).append((step, accuracy))
    return {mode: sorted(dict(points).items()) for mode, points in found.items()}
