"""Can this recipe become a run, new or resumed, on this machine?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grpoctl.elastic import keep_the_step
from grpoctl.engines.base import Engine, engine_for
from grpoctl.errors import Finding, InputError, RecipeError
from grpoctl.held_keys import changed_ones
from grpoctl.packages import missing_packages
from grpoctl.paths import user_path
from grpoctl.preflight import Preflight, check
from grpoctl.preflight.surroundings import packages_asked_for
from grpoctl.preflight.vllm import vllm_fault
from grpoctl.recipe.load import COMMAND_LINE, RecipeReading, find_recipe, read_recipe, read_resolved
from grpoctl.recipe.schema import Recipe
from grpoctl.run import checkpoints
from grpoctl.run.directory import RunDirectory, all_runs, find_run
from grpoctl.run.manifest import read_manifest
from grpoctl.run.view import view_run


@dataclass
class Plan:
    """A run that can start: a recipe without errors, its text, and the folder to go on in, if any."""

    found: Preflight
    recipe_text: str
    recipe_file: str
    overrides: list[str]
    resumed: RunDirectory | None = None

    @property
    def recipe(self) -> Recipe:
        recipe = self.found.recipe
        if recipe is None:
            raise RecipeError(self.found.errors)
        return recipe

    @property
    def max_steps(self) -> int:
        steps = self.found.plan.steps if self.found.plan is not None else None
        if steps is None:
            raise InputError(
                Finding("gives no number of steps", "set max_steps", key="max_steps", file=self.recipe_file)
            )
        return steps


def plan_new(recipe_file: str, overrides: Sequence[str]) -> Plan:
    """A new run of a recipe."""
    reading = read_recipe(recipe_file, overrides)
    text = find_recipe(recipe_file).read_text(encoding="utf-8") if reading.recipe is not None else ""
    plan = Plan(check(reading), text, recipe_file, list(overrides))
    if plan.found.recipe is not None and plan.recipe.resume_from_checkpoint is not None and plan.recipe.output_dir:
        folder = RunDirectory(user_path(plan.recipe.output_dir))
        plan.resumed = folder if folder.manifest.is_file() else None
        if plan.resumed is not None and not plan.found.errors:
            _refuse_other_weights(plan.resumed, reading)
            if _go_on_with_other_processes(plan.resumed, reading):
                plan.found = check(reading)
    return plan


def plan_resume(name: str, overrides: Sequence[str]) -> Plan:
    """An earlier run, with every value it used but for the overrides."""
    run = find_run(name)
    reading = read_resolved(run.resolved, overrides, run=run.name, placed_anew=True)
    if reading.recipe is not None:
        # The folder holds the run that is gone on with, which is no fault.
        reading.recipe = reading.recipe.model_copy(
            update={"output_dir": str(run.path), "resume_from_checkpoint": "latest"}
        )
    if not reading.errors:
        _refuse_other_weights(run, reading)
        _go_on_with_other_processes(run, reading, given=[word.partition("=")[0] for word in overrides])
    manifest = read_manifest(run)
    text = run.recipe.read_text(encoding="utf-8", errors="replace") if run.recipe.is_file() else ""
    given = {word.partition("=")[0]: word for word in (*manifest.get("overrides", []), *overrides)}
    found = check(reading)
    plan = Plan(found, text, str(manifest.get("recipe_file", run.recipe)), list(given.values()), resumed=run)
    started_in = manifest.get("folder")
    if found.errors and started_in not in (None, str(Path.cwd())):
        elsewhere = Finding("was started in another folder", f"go on from there: cd {started_in}", file=run.name)
        raise InputError([*found.errors, elsewhere])
    if not found.errors:
        _refuse_a_finished_run(run, plan)
    return plan


def _refuse_other_weights(run: RunDirectory, reading: RecipeReading) -> None:
    """Before anything of the run is written: what does not fit its checkpoint would leave it unreadable."""
    changed = changed_ones(run, reading)
    if changed:
        raise InputError(changed)


def _go_on_with_other_processes(run: RunDirectory, reading: RecipeReading, given: Sequence[str] = ()) -> bool:
    """Whether the recipe, or what is wrong with it, is another by that."""
    before = read_resolved(run.resolved).recipe
    return before is not None and bool(checkpoints.steps_of(run)) and keep_the_step(before, reading, given)


def _refuse_a_finished_run(run: RunDirectory, plan: Plan) -> None:
    view = view_run(run)
    if view.status == "finished" and plan.max_steps <= view.step:
        ended_early = [other for other in all_runs() if view_run(other).status in ("stopped", "dead", "failed")]
        hopeful = [other.name for other in ended_early if checkpoints.steps_of(other)]
        another = f", or go on with another: grpoctl train --resume {hopeful[0]}" if hopeful else ""
        fix = f"give more steps to go on (max_steps={2 * view.step}){another}"
        raise InputError(Finding(f"is finished at step {view.step}", fix, file=run.name))


def refuse_what_cannot_train(plan: Plan) -> Engine:
    """The engine, or the one reason why this recipe does not train here."""
    recipe = plan.recipe
    if recipe.is_export:
        raise InputError(Finding("is an export recipe", "name a data set and rewards to train", file=plan.recipe_file))
    overridden = any(word.startswith("engine=") for word in plan.overrides)
    return engine_for(recipe.engine, COMMAND_LINE if overridden else plan.recipe_file)


def refuse_missing_packages(plan: Plan) -> None:
    """What the recipe asks for beside its engine; check warns of it, as the recipe may be for another Python."""
    lacking = [(key, package) for key, package in packages_asked_for(plan.recipe) if missing_packages((package,))]
    places = {finding.key: (finding.file, finding.line) for finding in plan.found.warnings}
    wrong = []
    for key, package in lacking:
        file, line = places.get(key, (plan.recipe_file, None))
        fix = f"pip install {package}, or take it out"
        wrong.append(Finding(f"needs {package}, which is not installed here", fix, key=key, file=file, line=line))
    if fault := vllm_fault(plan.recipe):
        file, line = places.get("use_vllm", (plan.recipe_file, None))
        wrong.append(Finding(*fault, key="use_vllm", file=file, line=line))
    if wrong:
        raise InputError(wrong)


def refuse_missing_data(plan: Plan) -> None:
    """Data that is still not here once everything was fetched that can be."""
    recipe = plan.recipe
    for key, rows, names in (
        ("dataset", plan.found.rows, recipe.dataset),
        ("eval_dataset", plan.found.eval_rows, recipe.eval_dataset),
    ):
        if rows is None and names:
            problem = f"names {', '.join(names)}, which is not all on this machine"
            fix = "fetch it, and name its files in dataset_info.json"
            raise InputError(Finding(problem, fix, key=key, file=plan.recipe_file))
