"""How do adapters and quantisation come onto a MaxText model, and how are adapters read and written as PEFT keeps them?

They are qwix's, as on Tunix's models, and start as PEFT's do: A drawn, B zero, both float32 whatever the weights are.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import qwix
from flax import nnx
from jax import numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from grpoctl.engines.tunix.families import ALL_LINEAR
from grpoctl.engines.tunix.hf_folder import Array
from grpoctl.engines.tunix.maxtext_weights import Weight, part_of, to_hf, to_maxtext, weights_of
from grpoctl.errors import Finding, ModelError

_PREFIX = "base_model.model."


def add_lora(
    model: nnx.Module,
    *,
    rank: int,
    scale: float,
    target: tuple[str, ...],
    seed: int,
    weight_qtype: str | None = None,
    tile_size: int | None = None,
) -> nnx.Module:
    """A model on the same weights with new adapters, whose product is multiplied by `scale`.

    `target` are Hugging Face's names of layers, or ("all",). With a `weight_qtype` (int8, int4, nf4) every layer that
    "all" names holds quantised weights, in tiles of `tile_size` inputs or all inputs at a time.
    """
    rules = _rules(model, target, {"rank": rank, "alpha": scale * rank}, weight_qtype, tile_size)
    adapted: nnx.Module = qwix.apply_lora_to_model(model, _Adapters(rules), *_one_token(model), rngs=nnx.Rngs(seed))
    numbers = np.random.default_rng(seed)
    whole = PartitionSpec()  # type: ignore[no-untyped-call]
    for _, _, first, second in _pairs(adapted):
        bound = 1 / math.sqrt(first.size // rank)
        for part, value in ((first, numbers.uniform(-bound, bound, first.shape)), (second, np.zeros(second.shape))):
            # qwix takes over the weight's own axes, which an adapter has not
            part.set_metadata(sharding=whole, out_sharding=None, sharding_names=None)
            part.set_value(jax.device_put(np.asarray(value, np.float32), NamedSharding(_mesh(model), whole)))
    return adapted


def quantise_for_training(model: nnx.Module, bits: int) -> nnx.Module:
    """A model on the same weights whose linear layers, but for the head, compute with weights of so many bits."""
    # inputs of 4 bits would turn the gradients away
    kept = {"weight_qtype": f"int{bits}", "act_qtype": "int8"}
    rules = [qwix.QtRule(module_path=_pattern(weight), **kept) for weight in _layers(model, ("all",)).values()]
    rounded: nnx.Module = qwix.quantize_model(model, _Rounding(rules), *_one_token(model))
    return rounded


def adapter_tensors(model: nnx.Module) -> dict[str, Array]:
    """The adapters under PEFT's names and in its layout."""
    tensors = {}
    for name, weight, first, second in _pairs(model):
        rank = first.shape[-1]
        outputs = np.asarray(second[...]).reshape(rank, *_outputs(model, weight))
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = np.ascontiguousarray(np.asarray(first[...]).reshape(-1, rank).T)
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = to_hf(weight, outputs, rank)
    return tensors


def put_adapter(model: nnx.Module, tensors: dict[str, Array]) -> None:
    """Give the model's adapters these values."""
    pairs = list(_pairs(model))
    expected = {f"{_PREFIX}{name}.lora_{which}.weight" for name, *_ in pairs for which in "AB"}
    if odd := sorted(expected ^ tensors.keys()):
        problem = (
            f"{'lacks' if odd[0] in expected else 'has'} {odd[0]}, and this training's adapters are on other layers"
        )
        raise ModelError(Finding(problem, "set lora_target to the layers that it was trained on", file="adapter"))
    for name, weight, first, second in pairs:
        rank = first.shape[-1]
        a, b = (tensors[f"{_PREFIX}{name}.lora_{which}.weight"] for which in "AB")
        for value, shape in ((a, (rank, first.size // rank)), (b, (second.size // rank, rank))):
            if value.shape != shape:
                problem = f"has {name} of shape {list(value.shape)}, and this training's is {list(shape)}"
                raise ModelError(Finding(problem, "set lora_rank to the one that it was trained with", file="adapter"))
        _set(first, a.T.reshape(first.shape))
        _set(second, to_maxtext(weight, b, (rank, *_outputs(model, weight))).reshape(second.shape))


class _Adapters(qwix.LoraProvider):  # type: ignore[misc]
    """qwix's, where what a layer returns keeps the type that it has without adapters."""

    def dot_general(self, lhs: jax.Array, rhs: Any, *args: Any, **kwargs: Any) -> jax.Array:
        return jnp.astype(super().dot_general(lhs, rhs, *args, **kwargs), lhs.dtype)


class _Rounding(qwix.QtProvider):  # type: ignore[misc]
    """qwix's, where what a layer returns keeps the type that it has without rounding."""

    def dot_general(self, lhs: jax.Array, rhs: jax.Array, *args: Any, **kwargs: Any) -> jax.Array:
        return jnp.astype(super().dot_general(lhs, rhs, *args, **kwargs), lhs.dtype)


def _rules(
    model: nnx.Module, target: tuple[str, ...], how: dict[str, Any], weight_qtype: str | None, tile_size: int | None
) -> list[qwix.QuantizationRule]:
    """One for each layer that changes: adapters, quantised weights, or both."""
    under = _layers(model, target)
    if weight_qtype is None:
        return [qwix.LoraRule(module_path=_pattern(weight), **how) for weight in under.values()]
    rules = []
    for name, weight in (_layers(model, ("all",)) | under).items():
        # Only the last axis of the inputs is tiled, and a tile has to divide it.
        axis = part_of(model, weight.path).shape[1 if name.endswith("o_proj") else 0]
        kept = {"weight_qtype": weight_qtype, "tile_size": None if tile_size is None else math.gcd(tile_size, axis)}
        kind, own = (qwix.LoraRule, how) if name in under else (qwix.QuantizationRule, {})
        rules.append(kind(module_path=_pattern(weight), **own, **kept))
    return rules


def _pattern(weight: Weight) -> str:
    """By which qwix finds a layer."""
    return re.escape("/".join(weight.path[:-1]))


def _layers(model: nnx.Module, target: tuple[str, ...]) -> dict[str, Weight]:
    """The layers that are meant, by their Hugging Face names."""
    layers = {
        name.removesuffix(".weight"): weight
        for name, weight in weights_of(model).items()
        if weight.path[-1] == "kernel"
    }
    chosen: dict[str, Weight] = {}
    for word in ALL_LINEAR if target == ("all",) else target:
        found = {name: weight for name, weight in layers.items() if name == word or name.endswith(f".{word}")}
        if not found:
            known = ", ".join(sorted({name.rpartition(".")[2] for name in layers}))
            problem = f"names {word}, and this model's layers are {known}"
            raise ModelError(Finding(problem, "name one of these, or all", key="lora_target"))
        chosen |= found
    return chosen


def _pairs(model: nnx.Module) -> Iterator[tuple[str, Weight, nnx.LoRAParam[Any], nnx.LoRAParam[Any]]]:
    """Each adapted layer's Hugging Face name and weight, with its A and B."""
    for name, weight in weights_of(model).items():
        layer = part_of(model, weight.path[:-1])
        if hasattr(layer, "kernel_lora_a"):
            yield name.removesuffix(".weight"), weight, layer.kernel_lora_a, layer.kernel_lora_b


def _outputs(model: nnx.Module, weight: Weight) -> tuple[int, ...]:
    """What a layer's outputs are, such as heads and their width."""
    kernel = part_of(model, weight.path)
    shape = tuple(getattr(kernel, "shape", None) or kernel[...].shape)
    return shape[2:] if weight.path[-2] == "out" else shape[1:]


def _one_token(model: Any) -> tuple[Any, ...]:
    """An input for qwix, which learns from a first call where the weights are."""
    rows = _mesh(model).shape["fsdp"]
    tokens = jnp.zeros((rows, 1), jnp.int32)
    return tokens, tokens, None, jnp.ones((rows, 1, 1), bool)


def _mesh(model: Any) -> Any:
    return model.base.mesh


def _set(part: nnx.LoRAParam[Any], value: Array) -> None:
    part.set_value(jax.device_put(np.asarray(value, np.float32), part[...].sharding))
