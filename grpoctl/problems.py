"""Which problems is a recipe trained on, and which is it evaluated on?"""

from grpoctl.data.chat import messages_of
from grpoctl.data.problems import Problem, hold_back
from grpoctl.data.rows import Row
from grpoctl.errors import Finding, InputError
from grpoctl.preflight.datasets import read_datasets
from grpoctl.preflight.prompts import render_prompts
from grpoctl.preflight.result import Preflight, Teller
from grpoctl.recipe.load import RecipeReading
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.steps import held_back

HELD_OUT = "held out"


def split_problems(recipe: Recipe, found: Preflight) -> tuple[list[Problem], list[Problem]]:
    """The problems to train on, and those to evaluate on: of eval_dataset, or held back by val_size."""
    problems = [Problem(prompt, row) for prompt, row in zip(found.prompts, found.rows or [], strict=True)]
    problems, held = hold_back(problems, held_back(recipe, len(problems)), recipe.seed)
    return problems, rendered(recipe, found, found.eval_rows) if found.eval_rows else held


def rendered(recipe: Recipe, found: Preflight, rows: list[Row]) -> list[Problem]:
    """Rows as the model sees them, whatever their length."""
    if recipe.reads_pictures:
        return [Problem(row.question, row) for row in rows]
    if found.tokenizer is None:
        raise InputError(Finding("has no tokenizer on this machine", "fetch it first", key="model_name_or_path"))
    return [Problem(found.tokenizer.render(messages_of(row, recipe), recipe.enable_thinking), row) for row in rows]


def eval_problems(reading: RecipeReading, recipe: Recipe, split: str) -> tuple[str, list[Problem]]:
    """The name of a split (`eval` or `train`) and its problems, or InputError with all that is wrong."""
    result = Preflight(recipe=recipe)
    tell = Teller(reading, result.findings)
    apart = split == "eval" and bool(recipe.eval_dataset)
    result.rows = read_datasets(recipe, "eval_dataset" if apart else "dataset", result, tell)
    if result.rows:
        rows = list(result.rows)
        render_prompts(recipe, result, tell)
    if result.errors or not result.rows:
        raise InputError(result.errors or result.warnings or [_no_data(reading)])
    if apart:
        return ",".join(recipe.eval_dataset), rendered(recipe, result, rows)
    name = ",".join(recipe.dataset)
    trained, held = split_problems(recipe, result)
    if split == "train":
        return name, trained
    if held:
        return f"{name} ({HELD_OUT})", held
    raise InputError(_no_data(reading))


def _no_data(reading: RecipeReading) -> Finding:
    fix = "name some: eval_dataset=NAME or PATH; or take those it was trained on: --split train"
    return Finding("names no data to evaluate on", fix, key="eval_dataset", file=reading.source.file)
