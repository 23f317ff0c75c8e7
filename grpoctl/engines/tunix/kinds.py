"""Tunix's own models or MaxText's: what does each give to be loaded, adapted, trained and written?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from grpoctl.engines.tunix import lora, models, quantise, translate
from grpoctl.engines.tunix.hf_folder import HfFolder
from grpoctl.engines.tunix.maxtext_arguments import maxtext_arguments, model_of, sizes_of
from grpoctl.recipe.schema import Recipe, is_maxtext_checkpoint

Tensors = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """The same functions, for either kind of model."""

    load_model: Callable[[Recipe, Path], tuple[nnx.Module, jax.sharding.Mesh, Any]]
    add_lora: Callable[..., nnx.Module]
    adapter_tensors: Callable[[nnx.Module], Tensors]
    put_adapter: Callable[[nnx.Module, Tensors], None]
    quantise_for_training: Callable[[nnx.Module, int], nnx.Module]
    hf_tensors: Callable[[nnx.Module], Tensors]
    has_cache: bool  # whether its attention takes one


def kind_of(recipe: Recipe) -> Kind:
    """By the recipe's engine. MaxText is imported where it is asked for."""
    if recipe.engine == "maxtext":
        from grpoctl.engines.tunix import maxtext_lora, maxtext_weights

        return Kind(
            _load_maxtext,
            maxtext_lora.add_lora,
            maxtext_lora.adapter_tensors,
            maxtext_lora.put_adapter,
            maxtext_lora.quantise_for_training,
            maxtext_weights.hf_tensors,
            has_cache=False,
        )
    return Kind(
        _load_tunix,
        lora.add_lora,
        lora.adapter_tensors,
        lora.put_adapter,
        quantise.quantise_for_training,
        models.hf_tensors,
        has_cache=True,
    )


def _load_tunix(recipe: Recipe, folder: Path) -> tuple[nnx.Module, jax.sharding.Mesh, Any]:
    mesh = models.make_mesh(recipe.mesh.fsdp, recipe.mesh.tensor)
    with mesh:
        return models.load_model(folder, mesh, **translate.model_settings(recipe)), mesh, None


def _load_maxtext(recipe: Recipe, folder: Path) -> tuple[nnx.Module, jax.sharding.Mesh, Any]:
    """`folder` has the configuration; the weights are in it too, unless the recipe names a MaxText checkpoint."""
    from grpoctl.engines.tunix import maxtext

    config, named = models.read_config(folder), str(recipe.model_name_or_path)
    checkpoint = is_maxtext_checkpoint(named)
    arguments = maxtext_arguments(
        recipe,
        model=model_of({} if checkpoint else config, recipe.maxtext_model),
        # A checkpoint has the sizes of the model that it is named after.
        sizes={} if checkpoint else sizes_of(config, tied=HfFolder(folder).is_tied(config)),
        hardware=jax.default_backend(),
    )
    return maxtext.load_model(named if checkpoint else folder, arguments)
