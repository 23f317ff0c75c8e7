"""How well did each run do in one mode, before training and after it?"""

from collections.abc import Sequence

from grpoctl.comparison.before_after import BeforeAfter, Report, interval_of, is_number
from grpoctl.comparison.runs import ComparedRun
from grpoctl.errors import printable
from grpoctl.statistics import PairedTest
from webui.html import Child, Markup, h
from webui.page import Page

SIGNIFICANT = 0.05  # what is less likely than that by chance alone


def view(page: Page, mode: str, runs: Sequence[ComparedRun]) -> Markup:
    """A row a run; those that were not evaluated in this mode say so."""
    say = page.say
    texts = not all(map(_reads_digits, runs))
    of_text = [say("Within 10%"), say("Right anywhere"), say("In form"), say("Tokens")] if texts else []
    titles = [say("Before training"), say("After training"), say("Change"), *of_text, say("Problems")]
    heads = [(say("Run"), ""), *[(title, "number") for title in titles]]
    return h(
        "div",
        h(
            "table",
            h("caption", say("Accuracy in mode {mode}", mode=mode), class_="hidden"),
            h("thead", h("tr", *[h("th", title, scope="col", class_=kind or None) for title, kind in heads])),
            h("tbody", *[_row(page, run, run.evals.get(mode), texts) for run in runs]),
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=say("Accuracy in mode {mode}", mode=mode),
    )


def _reads_digits(run: ComparedRun) -> bool:
    """Whether its answers are digits, which have neither a form nor a length."""
    return run.recipe.get("hidden_sizes") is not None


def _row(page: Page, run: ComparedRun, evals: BeforeAfter | None, texts: bool) -> Markup:
    """`texts`: whether the columns that tell of a text are there."""
    name = h("th", h("bdi", run.name), scope="row")
    if evals is None:
        return h("tr", name, h("td", page.say("not evaluated in this mode"), colspan=8 if texts else 4, class_="quiet"))
    before, after = evals.before or {}, evals.after or {}
    return h(
        "tr",
        name,
        _cell(_accuracy(before)),
        _cell(_accuracy(after), bold=True),
        _cell(_change(page, evals)),
        *(_of_text({} if _reads_digits(run) else before, {} if _reads_digits(run) else after) if texts else []),
        _cell(_problems(after or before)),
    )


def _of_text(before: Report, after: Report) -> list[Markup]:
    shares = [
        _cell(_from_to(share(before.get(key)), share(after.get(key))))
        for key in ("partial_accuracy", "lenient_accuracy", "format_accuracy")
    ]
    return [*shares, _cell(_from_to(_length(before.get("mean_length")), _length(after.get("mean_length"))))]


def _cell(said: Child, bold: bool = False) -> Markup:
    return h("td", said, class_="number strong" if bold else "number")


def _problems(report: Report) -> Child:
    n, k, dataset = report.get("n"), report.get("k", 1), report.get("dataset")
    each = f" × {k}" if k != 1 else ""
    return [printable(f"{n if n is not None else '–'}{each}"), _small(printable(str(dataset)) if dataset else "")]


def _accuracy(report: Report) -> Child:
    """With its interval below it."""
    interval = interval_of("accuracy", report)
    return [
        share(report.get("accuracy")),
        _small(f"{100 * interval[0]:.1f} … {100 * interval[1]:.1f}" if interval else ""),
    ]


def _small(text: str) -> Markup | None:
    return h("small", text) if text else None


def _change(page: Page, evals: BeforeAfter) -> Child:
    """In points, and whether it is more than chance; without samples of both there is no test."""
    if evals.change is not None:
        pill = h("span", verdict(page, evals.change), class_=f"pill {kind_of(evals.change)}")
        return [points(evals.change.difference), _small(p_value(evals.change.p)), pill]
    ends = [report.get("accuracy") if report else None for report in (evals.before, evals.after)]
    return points(ends[1] - ends[0]) if is_number(ends[0]) and is_number(ends[1]) else "–"


def verdict(page: Page, test: PairedTest) -> str:
    if test.p >= SIGNIFICANT:
        return page.say("may be chance")
    return page.say("better") if test.difference > 0 else page.say("worse")


def kind_of(test: PairedTest) -> str:
    """The pill's colour."""
    if test.p >= SIGNIFICANT:
        return "none"
    return "finished" if test.difference > 0 else "failed"


def points(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def p_value(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p {p:.2g}"


def share(value: object) -> str:
    return f"{value:.1%}" if is_number(value) else "–"


def _length(value: object) -> str:
    return f"{value:.1f}" if is_number(value) else "–"


def _from_to(before: str, after: str) -> str:
    if "–" in (before, after):
        return after if before == "–" else before
    return f"{before} → {after}"
