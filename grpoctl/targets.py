"""Which model is meant by RUN or MODEL: a run's, at its end or at a checkpoint, or one that no run made?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grpoctl.engines.base import Engine, engine_for
from grpoctl.errors import Finding, InputError, RecipeError, nearest
from grpoctl.model_files import fault_of_folder, fault_of_name, find_base, find_model, is_remote
from grpoctl.paths import is_file, is_folder, user_path
from grpoctl.recipe.load import RecipeReading, read_recipe, read_recipe_text, read_resolved
from grpoctl.recipe.schema import Recipe
from grpoctl.run import checkpoints
from grpoctl.run.directory import RunDirectory, all_runs, find_run
from grpoctl.run.view import view_run

_WEIGHTS = ("adapter_model.safetensors", "model.safetensors", "model.safetensors.index.json")


@dataclass(frozen=True)
class Target:
    """A model to ask: its name for people, the recipe it is asked by, and where its weights are."""

    name: str
    recipe: Recipe
    base: Path  # the model before training
    trained: Path | None = None  # adapters or weights of the run; None: the base itself is meant
    step: int | None = None
    run: RunDirectory | None = None

    @property
    def is_adapter(self) -> bool:
        return self.trained is not None and is_file(self.trained / "adapter_config.json")


def find_target(
    name: str | None, overrides: Sequence[str] = (), checkpoint: int | None = None, *, recipe_file: str | None = None
) -> tuple[Target, RecipeReading]:
    """The latest run, a run, one of its checkpoints, or a model by folder or name, and the recipe as it was read.

    A model that no run made is asked by `recipe_file`, or by a recipe of the overrides alone.
    """
    named = None if name is None else user_path(name)
    if named is not None and checkpoints.step_of(named) and is_file(named.parent / "manifest.json"):
        name, checkpoint = str(named.parent), checkpoints.step_of(named)
    if name is None or _is_run(name):
        return _of_run(find_run(name or "latest"), overrides, checkpoint)
    if checkpoint is not None:
        raise InputError(Finding("is no run, and only runs have checkpoints", "leave --checkpoint out", file=name))
    return _of_model(name, overrides, recipe_file)


def engine_of(target: Target) -> Engine:
    """The engine whose models the target's is, or InputError where it is not to be had here."""
    return engine_for(target.recipe.engine, target.name)


def _is_run(name: str) -> bool:
    try:
        find_run(name)
    except InputError:
        # What can be no model is told as a run that is missing.
        return not (is_folder(user_path(name)) or is_remote(name) or find_model(name) is not None) or name == "latest"
    return True


def has_model(run: RunDirectory) -> bool:
    """Whether a run left weights or a checkpoint; whether that is whole is known when it is read."""
    return any(is_file(run.path / name) for name in _WEIGHTS) or bool(checkpoints.steps_of(run))


def _of_run(run: RunDirectory, overrides: Sequence[str], checkpoint: int | None) -> tuple[Target, RecipeReading]:
    reading = read_resolved(run.resolved, overrides, run=run.name)
    if reading.recipe is None or reading.errors:
        raise RecipeError(reading.errors)
    recipe = reading.recipe
    step, trained = _weights_of(run, checkpoint)
    base = find_base(recipe)
    if base is None or not is_folder(base):
        fix = f"fetch it again: hf download {recipe.model_name_or_path}"
        raise InputError(Finding(f"began with {recipe.model_name_or_path}, which is not here", fix, file=run.name))
    return Target(run.name, recipe, base, trained, step, run), reading


def _weights_of(run: RunDirectory, checkpoint: int | None) -> tuple[int, Path]:
    """The step and the folder of the weights: those of the end, or of the newest whole checkpoint."""
    if checkpoint is not None:
        folder = run.checkpoint(checkpoint)
        fault = checkpoints.fault_of(folder) if folder.is_dir() else "is not there"
        if fault is not None:
            kept = ", ".join(map(str, checkpoints.steps_of(run))) or "none"
            raise InputError(Finding(fault, f"this run's checkpoints: {kept}", file=str(folder)))
        return checkpoint, folder
    if any(is_file(run.path / name) for name in _WEIGHTS):
        return view_run(run).step, run.path
    newest, _ = checkpoints.newest_whole(run)
    if newest is None:
        status = view_run(run).status
        fix = "wait for its first checkpoint" if status == "running" else f"go on: grpoctl train --resume {run.name}"
        raise InputError(Finding(f"is {status} and has no model yet", fix, file=run.name))
    return checkpoints.step_of(newest), newest


def _of_model(name: str, overrides: Sequence[str], recipe_file: str | None) -> tuple[Target, RecipeReading]:
    always = f"model_name_or_path={name}"
    if recipe_file is not None:
        reading = read_recipe(recipe_file, [always, *overrides])
    else:
        reading = read_recipe_text("{}", "command line", [always, *overrides])
        given = {word.partition("=")[0].partition(".")[0] for word in overrides}
        # Nothing is trained, so what a whole recipe lacks is no fault.
        reading.findings = [finding for finding in reading.errors if finding.key.partition(".")[0] in given]
    if reading.recipe is None or reading.errors:
        raise RecipeError(reading.errors)
    fault = fault_of_name(name)
    folder = find_model(name, reading.recipe.model_revision, reading.recipe.cache_dir)
    if fault is None and folder is None:
        close = nearest(name, [run.name for run in all_runs()])
        fix = f"did you mean the run {close}?" if close else f"see grpoctl runs, or fetch the model: hf download {name}"
        fault = ("is no run, and no model on this machine", fix)
    if fault is None and folder is not None:
        fault = fault_of_folder(folder) if is_folder(folder) else ("is no folder", "check the path")
    if fault is not None or folder is None:
        problem, fix = fault or ("is not here", "check the path")
        raise InputError(Finding(problem, fix, file=name))
    return Target(name, reading.recipe.resolved(), folder), reading
