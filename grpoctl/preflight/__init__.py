"""Will this recipe train? Everything that can be known before a model is loaded, without the network."""

from grpoctl.counted import counted
from grpoctl.machine import Machine, read_machine
from grpoctl.preflight.datasets import read_datasets
from grpoctl.preflight.memory import check_memory
from grpoctl.preflight.prompts import check_prompts, render_prompts
from grpoctl.preflight.repeats import tell_of_repeats
from grpoctl.preflight.result import Preflight, Teller
from grpoctl.preflight.scores import check_rewards, score_gold_answers
from grpoctl.preflight.surroundings import check_engine, check_output, check_paths, check_secrets
from grpoctl.recipe.load import RecipeReading
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.steps import held_back, plan_steps

__all__ = ["Preflight", "check"]


def check(reading: RecipeReading, machine: Machine | None = None) -> Preflight:
    """Every finding about a recipe: those of its text, its data, its rewards, its prompts and this machine."""
    if reading.recipe is None:
        return Preflight(list(reading.findings))
    recipe = reading.recipe.resolved()
    result = Preflight(list(reading.findings), recipe)
    tell = Teller(reading, result.findings)
    check_output(recipe, tell)
    check_paths(recipe, tell)
    check_secrets(recipe, tell)
    machine = machine or read_machine()
    check_engine(recipe, machine, tell)
    if recipe.reads_pictures:
        _check_pictures(recipe, result, tell)
    elif not recipe.is_export:
        _check_training(recipe, result, tell)
        check_memory(recipe, result, machine, tell)
    # The recipe's own lines first and in their order, then those of the data's files.
    result.findings.sort(
        key=lambda finding: (finding.file != reading.source.file, finding.line is None, finding.line or 0)
    )
    return result


def _check_training(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    check_rewards(recipe, result, tell)
    result.rows = read_datasets(recipe, "dataset", result, tell)
    result.eval_rows = read_datasets(recipe, "eval_dataset", result, tell)
    tell_of_repeats(recipe, result, tell)
    check_prompts(recipe, result, tell)
    if result.rows:
        score_gold_answers(recipe, result, tell)
    _plan(recipe, result, tell)


def _check_pictures(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    result.rows = read_datasets(recipe, "dataset", result, tell)
    result.eval_rows = read_datasets(recipe, "eval_dataset", result, tell)
    render_prompts(recipe, result, tell)
    _plan(recipe, result, tell)


def _plan(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    rows = len(result.rows or [])
    result.plan = plan = plan_steps(recipe, rows or None)
    kept, takes = held_back(recipe, rows), f"a step takes {counted(plan.prompts, 'prompt')}"
    if not rows:
        return
    if rows - kept < plan.prompts:
        fewer = "lower gradient_accumulation_steps or per_device_train_batch_size"
        if kept and rows >= plan.prompts:
            tell.error("val_size", f"keeps back {kept} of {counted(rows, 'row')}, and {takes}", "lower it")
        else:
            tell.error("dataset", f"has {counted(rows, 'usable row')}, and {takes}", f"add rows, or {fewer}")
    if recipe.val_size and not kept:
        tell.warn("val_size", f"is {recipe.val_size:g}, which keeps back no row of {rows}", "raise it")
