"""Which weight of a MaxText model is which of Hugging Face's, and how does each become the other?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from maxtext.checkpoint_conversion.utils.param_mapping import HOOK_FNS, PARAM_MAPPING

from grpoctl.engines.tunix.hf_folder import Array, HfFolder
from grpoctl.errors import Finding, ModelError

Place = tuple[str, ...]

_HEAD = "lm_head.weight"


class Weight(NamedTuple):
    """One weight: where it stands in the model, and what turns it from Hugging Face's layout and back."""

    path: Place
    to_maxtext: list[Callable[..., Any]]
    to_hf: list[Callable[..., Any]]


def hf_tensors(model: nnx.Module) -> dict[str, Array]:
    """Every weight under its Hugging Face name and in that layout, as it was loaded."""
    return {
        name: to_hf(place, np.asarray(part_of(model, place.path)[...])) for name, place in weights_of(model).items()
    }


def weights_of(model: Any) -> dict[str, Weight]:
    """Every weight by its Hugging Face name, by MaxText's own tables."""
    config = model.base.config
    sizes = {
        "num_hidden_layers": config.num_decoder_layers,
        "head_dim": config.head_dim,
        "hidden_size": config.emb_dim,
    }
    names = PARAM_MAPPING[config.model_name](sizes, config, scan_layers=False)
    into, back = (
        HOOK_FNS[config.model_name](sizes, config, scan_layers=False, saving_to_hf=saving) for saving in (False, True)
    )
    found = {}
    for key, name in names.items():
        path: Place = ("base", *str(key).split("-")[1:])
        if _holds(model, path):  # the tables have the biases of all families, and a head that may be the embedding
            found[str(name)] = Weight(path, _steps(into.get(key)), _steps(back.get(key)))
    return found


def to_maxtext(weight: Weight, tensor: Array, shape: tuple[int, ...]) -> Array:
    for step in weight.to_maxtext:
        tensor = step(tensor, shape)
    return np.asarray(tensor)


def to_hf(weight: Weight, value: Array, inputs: int | None = None) -> Array:
    """A weight as Hugging Face has it. With `inputs`, it is one that takes so many instead of the layer's."""
    shape = value.shape
    if value.ndim > 1 and weight.path[-1] == "kernel":
        taken = _inputs(weight.path, shape) if inputs is None else inputs
        shape = (value.size // taken, taken)
    elif weight.path[-1] == "bias":
        shape = (value.size,)
    for step in weight.to_hf:
        value = step(value, shape)
    return np.ascontiguousarray(np.asarray(value))


def _inputs(path: Place, shape: tuple[int, ...]) -> int:
    return shape[0] * shape[1] if path[-2] == "out" else shape[0]


def _steps(hooks: Any) -> list[Callable[..., Any]]:
    """MaxText's functions for a weight, but for the one that folds the queries' scale into it: see maxtext.py."""
    steps = hooks if isinstance(hooks, list) else [hooks] if hooks else []
    return [step for step in steps if step.__name__ != "scale_query_layer"]


def part_of(model: Any, path: Place) -> Any:
    for part in path:
        model = getattr(model, part)
    return model


def _holds(model: Any, path: Place) -> bool:
    for part in path:
        model = getattr(model, part, None)
    return model is not None


def fill(model: nnx.Module, folder: Path) -> None:
    """Put every tensor of the folder where it belongs."""
    files, weights = HfFolder(folder), weights_of(model)
    missing, unknown = weights.keys() - files.names(), files.names() - weights.keys() - {_HEAD}
    if missing or unknown:
        problem = f"lacks {min(missing)}" if missing else f"has {min(unknown)}, which MaxText's model has no place for"
        raise ModelError(Finding(problem, "give a whole folder of the model, or use engine: trl", file=str(folder)))
    for name, weight in weights.items():
        tensor, variable = files.read(name), part_of(model, weight.path)
        if tensor.size != variable.size:
            problem = f"has {name} of shape {list(tensor.shape)}, and its config.json asks for {variable.size} numbers"
            raise ModelError(Finding(problem, "give a whole folder of one model", file=str(folder)))
        value = to_maxtext(weight, tensor, variable.shape).astype(variable.dtype)
        variable.set_value(jax.device_put(value, variable[...].sharding))
