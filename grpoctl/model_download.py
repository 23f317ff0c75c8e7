"""How does a model that is named by its place on the hub come to this machine?"""

import sys
from pathlib import Path

from grpoctl.errors import GrpoctlError
from grpoctl.model_files import find_model, is_remote
from grpoctl.recipe.schema import Recipe

# Weights as safetensors alone: other formats can run code when they are read.
_WANTED = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")


def fetch_models(recipe: Recipe) -> bool:
    """Download the models that the recipe names and this machine lacks; whether there were any."""
    judges = [str(use.args.get("path", "")) for use in recipe.reward_funcs if use.use == "model"]
    named = filter(
        None, (recipe.model_name_or_path, recipe.tokenizer_name_or_path, *recipe.adapter_name_or_path, *judges)
    )
    missing = [
        name
        for name in dict.fromkeys(named)
        if is_remote(name) and "://" not in name and find_model(name, recipe.model_revision, recipe.cache_dir) is None
    ]
    for name in missing:
        _fetch(name, recipe)
    return bool(missing)


def _fetch(name: str, recipe: Recipe) -> Path:
    from huggingface_hub import snapshot_download

    print(f"fetching {name} from the Hugging Face hub …", file=sys.stderr, flush=True)
    revision = recipe.model_revision if name == recipe.model_name_or_path else "main"
    try:
        folder = snapshot_download(name, revision=revision, cache_dir=recipe.cache_dir, allow_patterns=list(_WANTED))
    except Exception as error:  # no network, no such name, no permission: each library below has its own errors
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:160]
        raise GrpoctlError(
            f"{name}: cannot be fetched ({reason}); check the name and the network, or copy the model's folder here "
            "and name that."
        ) from error
    return Path(folder)
