"""What may a field of the form name: which data sets, models and rewards are there?"""

import json
from functools import lru_cache
from pathlib import Path

from grpoctl import estimate, shipped
from grpoctl.data.dataset_info import all_entries
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import all_rewards


@lru_cache
def reward_names() -> dict[str, str]:
    """The built-in rewards and what each pays for."""
    return {name: found.summary for name, found in all_rewards().items()}


def dataset_names() -> list[str]:
    """Those with an entry in the data folder, the newest state of it, and the built-in ones."""
    folders = (Path(Recipe.model_fields["dataset_dir"].default), shipped.DATA)
    return sorted({name for folder in folders if folder.is_dir() for name in all_entries(folder)} | {"mnist", "digits"})


@lru_cache
def model_names() -> list[str]:
    """The built-in model, and those whose shapes come with grpoctl."""
    shapes = Path(estimate.__file__).with_name("models.json")
    return [*shipped.MODELS, *sorted(json.loads(shapes.read_text(encoding="utf-8")))]
