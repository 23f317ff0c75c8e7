"""How do adapters come onto a Tunix model, and how are they read and written as PEFT keeps them?

They are qwix's, and start as PEFT's do: A drawn, B zero, both float32 whatever the weights are.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import qwix
from flax import nnx
from flax.traverse_util import flatten_dict
from jax import numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from grpoctl.engines.tunix.families import ALL_LINEAR
from grpoctl.engines.tunix.models import Array, places_of
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
    provider = _Adapters(_rules(model, target, {"rank": rank, "alpha": scale * rank}, weight_qtype, tile_size))
    inputs = one_token(model)

    def adapt(model: nnx.Module) -> nnx.Module:
        adapted: nnx.Module = qwix.apply_lora_to_model(model, provider, *inputs, rngs=nnx.Rngs(0))
        return adapted

    adapted = on_same_weights(model, adapt)
    numbers = np.random.default_rng(seed)
    for _, first, second in _pairs(adapted):
        bound = 1 / math.sqrt(first.size // rank)
        _set(first, numbers.uniform(-bound, bound, first.shape))
        _set(second, np.zeros(second.shape))
    return adapted


def _rules(
    model: nnx.Module, target: tuple[str, ...], how: dict[str, Any], weight_qtype: str | None, tile_size: int | None
) -> list[qwix.QuantizationRule]:
    """One for each layer that changes: adapters, quantised weights, or both."""
    under = named_layers(model, target)
    if weight_qtype is None:
        return [qwix.LoraRule(module_path=qwix_path(path), **how) for path in under.values()]
    rules = []
    for name, path in (named_layers(model, ("all",)) | under).items():
        # Only the last axis of the inputs is tiled, and a tile has to divide it.
        axis = _weight(model, path).shape[1 if name.endswith("o_proj") else 0]
        kept = {"weight_qtype": weight_qtype, "tile_size": None if tile_size is None else math.gcd(tile_size, axis)}
        kind, own = (qwix.LoraRule, how) if name in under else (qwix.QuantizationRule, {})
        rules.append(kind(module_path=qwix_path(path), **own, **kept))
    return rules


def adapter_tensors(model: nnx.Module) -> dict[str, Array]:
    """The adapters under PEFT's names and in its layout."""
    tensors = {}
    for name, first, second in _pairs(model):
        rank = first.shape[-1]
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = np.ascontiguousarray(np.asarray(first[...]).reshape(-1, rank).T)
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = np.ascontiguousarray(np.asarray(second[...]).reshape(rank, -1).T)
    return tensors


def put_adapter(model: nnx.Module, tensors: dict[str, Array]) -> None:
    """Give the model's adapters these values; where each lies on the mesh stays."""
    pairs = list(_pairs(model))
    places = {
        f"{_PREFIX}{name}.lora_{which}.weight": part
        for name, first, second in pairs
        for which, part in (("A", first), ("B", second))
    }
    if odd := sorted(places.keys() ^ tensors.keys()):
        problem = f"{'lacks' if odd[0] in places else 'has'} {odd[0]}, and this training's adapters are on other layers"
        raise ModelError(Finding(problem, "set lora_target to the layers that it was trained on", file="adapter"))
    for name, part in places.items():
        rank = part.shape[-1] if ".lora_A." in name else part.shape[0]
        shape = (rank, part.size // rank) if ".lora_A." in name else (part.size // rank, rank)
        if tensors[name].shape != shape:
            problem = f"has {name} of shape {list(tensors[name].shape)}, and this training's is {list(shape)}"
            raise ModelError(Finding(problem, "set lora_rank to the one that it was trained with", file="adapter"))
        _set(part, tensors[name].T.reshape(part.shape))


def adapter_config(
    *, base: str, rank: int, alpha: float, target: tuple[str, ...], use_rslora: bool = False
) -> dict[str, Any]:
    """What PEFT reads beside the tensors."""
    return {
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": list(ALL_LINEAR if target == ("all",) else target),
        "task_type": "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": use_rslora,
    }


def on_same_weights(model: nnx.Module, change: Callable[[nnx.Module], nnx.Module]) -> nnx.Module:
    """What the change makes of the model, on the model's own arrays or quantised ones; adapters start at zero.

    The change itself sees shapes alone, so that nothing is computed or compiled for it.
    """
    changed = nnx.eval_shape(change, model)
    graph, state = nnx.split(changed)
    own = nnx.state(model, nnx.Param)
    kept: dict[Any, Any] = flatten_dict(qwix.quantize_params(nnx.to_pure_dict(own), changed))  # type: ignore[no-untyped-call]
    unchanged = dict(nnx.to_flat_state(own)).keys()
    shardings = dict(nnx.to_flat_state(nnx.get_named_sharding(state, _mesh(model))))
    flat = dict(nnx.to_flat_state(state))
    for path, variable in flat.items():
        value = kept[path] if path in kept else np.zeros(variable.shape, np.float32)
        if path not in unchanged:
            value = jax.device_put(value, _fitting(shardings[path].get_raw_value(), value.shape))
        flat[path] = variable.replace(value)
    return nnx.merge(graph, nnx.from_flat_state(flat))


def _fitting(sharding: NamedSharding, shape: tuple[int, ...]) -> NamedSharding:
    """The sharding, whole along an axis that it does not divide, as that of a tile's scales may be."""
    axes = [
        axis if axis is not None and size % sharding.mesh.shape[axis] == 0 else None
        for size, axis in zip(shape, (*sharding.spec, *[None] * len(shape)), strict=False)
    ]
    return NamedSharding(sharding.mesh, PartitionSpec(*axes))  # type: ignore[no-untyped-call]


class _Adapters(qwix.LoraProvider):  # type: ignore[misc]
    """qwix's, where what a layer returns keeps the type that it has without adapters.

    Tunix casts weights before it multiplies by them, which qwix does not know: quantised ones stay as they are.
    """

    def get_intercept_map(self) -> dict[str, Any]:
        return dict(super().get_intercept_map()) | {"jax.numpy.astype": _cast}

    def dot_general(self, lhs: jax.Array, rhs: Any, *args: Any, **kwargs: Any) -> jax.Array:
        return jnp.astype(super().dot_general(lhs, rhs, *args, **kwargs), _type_of(lhs, rhs))

    def einsum(self, einsum_str: str, *operands: Any, **kwargs: Any) -> jax.Array:
        return jnp.astype(super().einsum(einsum_str, *operands, **kwargs), _type_of(*operands))


def _cast(x: Any, *args: Any, **kwargs: Any) -> Any:
    return jnp.astype(x, *args, **kwargs) if isinstance(x, jax.Array) else x


def _type_of(lhs: jax.Array, *others: Any) -> Any:
    # quantised weights are computed with in the type of what meets them
    return jnp.result_type(lhs, *(other for other in others if isinstance(other, jax.Array)))


def qwix_path(path: tuple[str | int, ...]) -> str:
    """The pattern by which qwix finds a layer."""
    return re.escape("/".join(map(str, path[:-1])))


def named_layers(model: nnx.Module, target: tuple[str, ...]) -> dict[str, tuple[str | int, ...]]:
    """The layers that are meant: Hugging Face's name, and where the weight stands in the model."""
    layers = {
        name.removesuffix(".weight"): path
        for name, path in places_of(model).items()
        if path[-1] in ("w", "kernel") and not name.endswith("norm.weight")
    }
    chosen: dict[str, tuple[str | int, ...]] = {}
    for word in ALL_LINEAR if target == ("all",) else target:
        found = {name: path for name, path in layers.items() if name == word or name.endswith(f".{word}")}
        if not found:
            known = ", ".join(sorted({name.rpartition(".")[2] for name in layers}))
            problem = f"names {word}, and this model's layers are {known}"
            raise ModelError(Finding(problem, "name one of these, or all", key="lora_target"))
        chosen |= found
    return chosen


def one_token(model: Any) -> tuple[Any, ...]:
    """An input for qwix, which learns from a first call where the weights are. JAX would compile what makes it."""
    rows = _mesh(model).shape["fsdp"]
    tokens = np.zeros((rows, 1), np.int32)
    return tokens, tokens, None, np.ones((rows, 1, 1), bool)


def _mesh(model: Any) -> Mesh:
    mesh: Mesh = model.embedder.input_embedding[...].sharding.mesh
    return mesh


def _pairs(model: nnx.Module) -> Iterator[tuple[str, nnx.LoRAParam[Any], nnx.LoRAParam[Any]]]:
    """Each adapted layer's Hugging Face name, with its A and B."""
    for name, path in places_of(model).items():
        layer, weight = _layer(model, path), path[-1]
        first = getattr(layer, f"{weight}_lora_a", None)
        if first is not None:
            yield name.removesuffix(".weight"), first, getattr(layer, f"{weight}_lora_b")


def _layer(model: Any, path: tuple[str | int, ...]) -> Any:
    for part in path[:-1]:
        model = model[part] if isinstance(part, int) else getattr(model, part)
    return model


def _weight(model: nnx.Module, path: tuple[str | int, ...]) -> Any:
    return getattr(_layer(model, path), str(path[-1]))


def _set(part: nnx.LoRAParam[Any], value: Array) -> None:
    part.set_value(jax.device_put(np.asarray(value, np.float32), part[...].sharding))
