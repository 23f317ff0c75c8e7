"""What do the rows and prompts of a recipe come to, whatever it trains?"""

from grpoctl.preflight.datasets import read_datasets
from grpoctl.preflight.prompts import render_prompts
from grpoctl.preflight.repeats import tell_of_repeats
from grpoctl.preflight.result import Preflight, Teller
from grpoctl.recipe.load import RecipeReading


def check_data(reading: RecipeReading) -> Preflight:
    """The rows of `dataset`, rendered and counted, and every finding about them."""
    if reading.recipe is None:
        return Preflight(list(reading.findings))
    recipe = reading.recipe.resolved()
    result = Preflight(list(reading.findings), recipe)
    tell = Teller(reading, result.findings)
    result.rows = read_datasets(recipe, "dataset", result, tell)
    tell_of_repeats(recipe, result, tell)
    render_prompts(recipe, result, tell)
    return result
