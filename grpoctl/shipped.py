"""Where are the recipes, data and tiny model that come with grpoctl?

In a checkout they are the folders beside the package; in an installed wheel they stand inside it.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_HOME = _PACKAGE / "_shipped" if (_PACKAGE / "_shipped").is_dir() else _PACKAGE.parent

RECIPES = _HOME / "recipes"
DATA = _HOME / "data"
SCHEMA = RECIPES / "recipe.schema.json"

# A recipe's `model_name_or_path: tiny` is always this folder; a folder of your own of that name is `./tiny`.
MODELS = {"tiny": DATA / "tiny"}


def recipe_names() -> list[str]:
    """The built-in recipes, without their ending."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))
