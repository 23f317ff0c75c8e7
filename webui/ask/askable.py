"""Which runs can be asked: those that have ended and left a model that reads text?"""

from collections.abc import Hashable
from itertools import islice

from grpoctl.errors import Finding, InputError
from grpoctl.recipe.load import read_resolved
from grpoctl.run.directory import RunDirectory
from grpoctl.targets import has_model
from webui.newest import newest_runs
from webui.places import run_named
from webui.runs.standing import GOING_ON, standing_of

_OFFERED = 50


def askable() -> list[RunDirectory]:
    """Runs that have ended and left a model, the newest first; one that goes on needs its memory itself."""
    found = (run for run in newest_runs() if has_model(run) and not _goes_on(run))
    return list(islice(found, _OFFERED))


def _goes_on(run: RunDirectory) -> bool:
    return standing_of(run).view.status in GOING_ON


def is_of_pictures(run: RunDirectory) -> bool:
    recipe = read_resolved(run.resolved).recipe
    return recipe is not None and recipe.reads_pictures


def run_to_ask(name: str) -> RunDirectory:
    """The run of that name, or the newest where none is named; InputError where it cannot be asked from the page."""
    run = run_named(name) if name else next(iter(askable()), None)
    if run is None or not has_model(run) or _goes_on(run):
        raise InputError(Finding("has no model to ask", "choose a run that has ended", file=name or "run"))
    if is_of_pictures(run):
        raise InputError(Finding("reads pictures", "ask it by the command line", file=run.name))
    return run


def mark_of(run: RunDirectory, base: bool) -> Hashable:
    """Tells its model from another. A run that was trained on meanwhile, or anew under its name, has another one."""
    view = standing_of(run).view
    return view.name, base, view.step, view.manifest.get("process_id"), view.manifest.get("process_started")
