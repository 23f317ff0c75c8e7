"""How does a model that is named by its place on the hub come to this machine?"""

import logging
from pathlib import Path

from grpoctl.errors import GrpoctlError
from grpoctl.model_files import find_model, is_remote
from grpoctl.recipe.schema import Recipe

_log = logging.getLogger(__name__)

# Weights as safetensors alone: other formats can run code when they are read.
_WANTED = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")


def fetch_models(recipe: Recipe) -> None:
    """Download what the recipe names and this machine lacks: model, tokenizer, adapters."""
    for name in filter(None, (recipe.model_name_or_path, recipe.tokenizer_name_or_path, *recipe.adapter_name_or_path)):
        missing = find_model(name, recipe.model_revision, recipe.cache_dir) is None
        if missing and is_remote(name) and "://" not in name:
            _fetch(name, recipe)


def _fetch(name: str, recipe: Recipe) -> Path:
    from huggingface_hub import snapshot_download

    _log.info("fetching %s from the Hugging Face hub …", name)
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
