"""Which runs differ by more than chance, and in which keys of their recipes?"""

from collections.abc import Sequence
from math import isnan

from grpoctl.comparison.recipes import telling_apart, value_in_cell
from grpoctl.comparison.runs import Comparison, OverSeeds, PairedRuns
from webui.compare.table import SIGNIFICANT, p_value, share
from webui.html import Markup, h
from webui.page import Page

_MANY = 5  # tests, from which on one that is significant by chance is to be thought of


def between_runs(page: Page, found: Comparison, modes: Sequence[str]) -> Markup | None:
    """Each pair of runs that was asked the same problems, in words; those that may be chance folded."""
    say = page.say
    pairs = [pair for pair in found.paired if pair.mode in modes]
    if not pairs:
        return h("section", h("h3", say("Between the runs")), h("p", _lacking(page, found, modes), class_="quiet"))
    sure = sorted((pair for pair in pairs if pair.test.p < SIGNIFICANT), key=lambda pair: pair.test.p)
    rest = [pair for pair in pairs if pair.test.p >= SIGNIFICANT]
    return h(
        "section",
        h("h3", say("Between the runs")),
        h("ul", *[h("li", _in_words(page, pair)) for pair in sure]) if sure else None,
        h("p", say("No difference between these runs is significant.")) if not sure else None,
        h("details", h("summary", say("{n} that may be chance", n=len(rest))),
          h("ul", *[h("li", _in_words(page, pair)) for pair in rest]), data_part="cmp_chance") if rest else None,
        h("p", say("Of {n} tests at 5%, one in twenty comes out by chance alone.", n=len(pairs)), class_="quiet")
        if sure and len(pairs) >= _MANY
        else None,
        *[_seeds(page, each, mode) for each in found.over_seeds for mode in each.modes if mode in modes],
        id="compare-pairs",
    )  # fmt: skip


def _lacking(page: Page, found: Comparison, modes: Sequence[str]) -> str:
    """Why nothing is tested, and what would help."""
    say = page.say
    if len(found.runs) < 2:
        return say("One run alone is tested against nothing. Choose a second one that was asked the same problems.")
    silent = [run.name for run in found.runs if not set(run.evals) & set(modes)]
    if len(found.runs) - len(silent) < 2:
        return say(
            "Nothing can be tested: {names} was not evaluated in these modes. Evaluate it on the same problems.",
            names=", ".join(silent),
        )
    return say("No two of these runs were asked the same problems in one mode, so that none can be tested.")


def _in_words(page: Page, pair: PairedRuns) -> str:
    test = pair.test
    low, high = (pair.a, pair.b) if test.difference >= 0 else (pair.b, pair.a)
    by, sign = 100 * abs(test.difference), 1 if test.difference >= 0 else -1
    ends = sorted((100 * sign * test.low, 100 * sign * test.high))
    between = "" if isnan(test.low) else f", 95% {ends[0]:+.1f} … {ends[1]:+.1f}"
    tested = f"{p_value(test.p)}{between}"
    if test.p >= SIGNIFICANT:
        return page.say(
            "{mode}: {high} against {low}: {by} points on the same {n} problems, which may be chance ({tested})",
            mode=pair.mode, high=high, low=low, by=f"{by:+.1f}", n=pair.n, tested=tested,
        )  # fmt: skip
    return page.say(
        "{mode}: {high} is better than {low} by {by} points on the same {n} problems ({tested})",
        mode=pair.mode, high=high, low=low, by=f"{by:.1f}", n=pair.n, tested=tested,
    )  # fmt: skip


def _seeds(page: Page, group: OverSeeds, mode: str) -> Markup:
    numbers = group.as_json()["accuracy"][mode]
    said = page.say(
        "{mode}: one recipe under {n} seeds: {mean} on average, from {low} to {high}",
        mode=mode, n=len(group.accuracies(mode)), mean=share(numbers["mean"]), low=share(numbers["min"]),
        high=share(numbers["max"]),
    )  # fmt: skip
    return h("p", said)


def recipes(page: Page, found: Comparison) -> Markup | None:
    """The keys in which the recipes differ, a column a run."""
    say, keys = page.say, found.differing_keys
    if len(found.runs) < 2:
        return None
    if not keys:
        return h("section", h("h3", say("Recipes")), h("p", say("Their recipes are the same."), class_="quiet"))
    rows = []
    for key in keys:
        whole = [value_in_cell(run.recipe, key) for run in found.runs]
        short = telling_apart(whole)
        cells = [
            h("td", text, title=full if full != text else None) for text, full in zip(short, whole, strict=True)
        ]  # fmt: skip
        rows.append(h("tr", h("th", key, scope="row"), *cells))
    heads = [h("th", h("bdi", run.name), scope="col") for run in found.runs]
    return h(
        "section",
        h("h3", say("Recipes")),
        h("div", h("table", h("caption", say("Keys in which the recipes differ"), class_="hidden"),
                   h("thead", h("tr", h("th", say("Key"), scope="col"), *heads)), h("tbody", *rows)),
          class_="scroll", tabindex=0, role="region", aria_label=say("Keys in which the recipes differ")),
        id="compare-recipes",
    )  # fmt: skip
