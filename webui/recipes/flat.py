"""How many groups will carry no signal? From runs of the same model on the same data, else for what one may expect."""

from typing import Any

from grpoctl.advantage import expected_flat_share
from grpoctl.comparison.before_after import read_object
from grpoctl.preflight import Preflight
from grpoctl.run.directory import RunDirectory
from webui.html import Markup, h
from webui.live import live_run
from webui.newest import newest_runs
from webui.page import Page

_LOOKED_AT = 30  # runs, the newest first


def view(page: Page, found: Preflight) -> list[Markup]:
    recipe, say = found.recipe, page.say
    if recipe is None or recipe.is_export:
        return []
    group = recipe.num_generations
    known = _measured(str(recipe.model_name_or_path), list(recipe.dataset), recipe.hidden_sizes)
    if known is not None:
        run, share, size = known
        said = say(
            "In {run}, of the same model and data, {share:.0%} of the groups of {size} were flat at its first step.",
            run=run,
            share=share,
            size=size,
        )
    else:
        said = say("No run of this model on this data is here to tell.")
    cells = [(solved, expected_flat_share(solved, group)) for solved in (0.02, 0.1, 0.5, 0.9, 0.98)]
    solved_row = [h("td", f"{solved:.0%}") for solved, _ in cells]
    flat_row = [h("td", f"{share:.0%}") for _, share in cells]
    table = h(
        "table",
        h("tr", h("th", say("of its answers right"), scope="row"), *solved_row),
        h("tr", h("th", say("groups of {n} all alike", n=group), scope="row"), *flat_row),
        class_="facts numbers",
    )
    return [h("section", h("h3", say("Groups without a signal")), h("p", said, class_="quiet"), table, id="flat")]


def _measured(model: str, dataset: list[str], hidden: Any) -> tuple[str, float, int] | None:
    for run in newest_runs()[:_LOOKED_AT]:
        recipe = read_object(run.resolved)
        same = recipe.get("model_name_or_path") == model and recipe.get("dataset") == dataset
        if same and bool(recipe.get("hidden_sizes")) == bool(hidden):
            share = _first_share(run)
            if share is not None:
                return run.name, share, int(recipe.get("num_generations") or 0)
    return None


def _first_share(run: RunDirectory) -> float | None:
    shares = live_run(run).column("zero_std_share")
    return next((share for share in shares if share == share), None)
