"""How does a folder in Hugging Face's layout become a Tunix model on a mesh of devices, and how does it come back?

Each tensor is read by its own name, type and shape: Tunix's own loader takes every tensor of a file for one type, and
leaves out what it does not know without a word.
"""

import importlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from safetensors import SafetensorError, safe_open

from grpoctl.engines.tunix.devices import devices_for
from grpoctl.engines.tunix.families import FAMILIES, faults_of, model_config_values, rope_of
from grpoctl.engines.tunix.parts import mend
from grpoctl.engines.tunix.rope import inverse_frequencies, turn_by
from grpoctl.errors import Finding, ModelError

Array = np.ndarray[Any, Any]

_REMAT = {"none": "NONE", "minimal": "BLOCK", "full": "DECODER"}
_HEAD = "lm_head.weight"
_EMBEDDING = "model.embed_tokens.weight"


def make_mesh(fsdp: int, tensor: int, *, behind: Mesh | None = None) -> Mesh:
    """The first devices, or the first behind another mesh: rows share the weights out, columns the heads."""
    devices = devices_for(fsdp, tensor, 0 if behind is None else behind.size)
    return Mesh(np.array(devices).reshape(fsdp, tensor), ("fsdp", "tp"))


def load_model(folder: Path, mesh: Mesh, *, dtype: str, param_dtype: str, remat: str) -> nnx.Module:
    """The model of a folder: it computes in `dtype` and keeps its weights in `param_dtype`."""
    config = read_config(folder)
    files = _tensor_files(folder)
    model_config = _model_config(config, _is_tied(config, folder, files), dtype, param_dtype, remat)
    model = nnx.eval_shape(lambda: _build(config, model_config, dtype, param_dtype))
    graph, state = nnx.split(model)
    shardings = dict(nnx.to_flat_state(nnx.get_named_sharding(state, mesh)))
    flat = dict(nnx.to_flat_state(state))
    _read_all(folder, files, places_of(model), flat, shardings)
    return nnx.merge(graph, nnx.from_flat_state(flat))


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json, where Tunix computes all of it."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(Finding("has no readable config.json", "check the path", file=str(folder))) from error
    if faults := faults_of(config):
        raise ModelError([Finding(problem, fix, file=str(folder)) for problem, fix in faults])
    return dict(config)


def hf_tensors(model: nnx.Module) -> dict[str, Array]:
    """Every weight under its Hugging Face name and in that layout, as it was loaded."""
    flat = dict(nnx.to_flat_state(nnx.state(model, nnx.Param)))
    return {name: _to_hf(name, np.asarray(flat[path][...])) for name, path in places_of(model).items()}


# --- the model


def _model_config(config: dict[str, Any], tied: bool, dtype: str, param_dtype: str, remat: str) -> Any:
    library = importlib.import_module(FAMILIES[config["model_type"]].module)
    values = model_config_values(config | {"tie_word_embeddings": tied})
    values["remat_config"] = library.RematConfig[_REMAT[remat]]
    if "query_pre_attn_norm" in values:
        values["query_pre_attn_norm"] = library.QueryPreAttentionNormalisation[values["query_pre_attn_norm"]]
    for name, value in (("dtype", dtype), ("param_dtype", param_dtype)):
        if name in library.ModelConfig.__dataclass_fields__:
            values[name] = jax.numpy.dtype(value)
    return library.ModelConfig(**values)


def _build(config: dict[str, Any], model_config: Any, dtype: str, param_dtype: str) -> nnx.Module:
    family = FAMILIES[config["model_type"]]
    library = importlib.import_module(family.module)
    model: Any = getattr(library, family.model)(model_config, rngs=nnx.Rngs(0))
    mend(model, config, jax.numpy.dtype(dtype), jax.numpy.dtype(param_dtype))
    if config["model_type"] != "gemma3_text":  # which honours its config
        turn_by(model, library, inverse_frequencies(rope_of(config), model_config.head_dim))
    model.family = config["model_type"]
    built: nnx.Module = model
    return built


def places_of(model: Any) -> dict[str, tuple[str | int, ...]]:
    """Where each Hugging Face tensor stands in the model."""
    family = FAMILIES[model.family]
    places = {_EMBEDDING: "embedder.input_embedding", "model.norm.weight": family.norm}
    for number, layer in enumerate(model.layers):
        for name, place in family.layer.items():
            if hasattr(layer.attn, "qkv_einsum"):
                place = place.replace("kv_einsum", "qkv_einsum").replace("q_einsum", "qkv_einsum.q_proj")
            places[f"model.layers.{number}.{name}"] = f"layers.{number}.{place}"
    if hasattr(model, "lm_head"):
        places[_HEAD] = "lm_head.w"
    return {name: _path(place) for name, place in places.items()}


def _path(place: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdigit() else part for part in place.split("."))


# --- files


def _tensor_files(folder: Path) -> dict[str, Path]:
    """Which file holds each tensor."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    try:
        if single.is_file():
            with safe_open(single, framework="numpy") as tensors:  # type: ignore[no-untyped-call]
                return dict.fromkeys(tensors.keys(), single)
        where = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): folder / str(file) for name, file in where.items()}
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        problem = "has no readable model.safetensors or model.safetensors.index.json"
        raise ModelError(Finding(problem, "give a whole Hugging Face folder", file=str(folder))) from error


def _read(folder: Path, files: dict[str, Path], names: Iterator[str]) -> Iterator[tuple[str, Array]]:
    """The tensors of these names, each file opened once."""
    by_file: dict[Path, list[str]] = {}
    for name in names:
        by_file.setdefault(files[name], []).append(name)
    for file, held in by_file.items():
        try:
            with safe_open(file, framework="numpy") as tensors:  # type: ignore[no-untyped-call]
                for name in held:
                    yield name, tensors.get_tensor(name)
        except (OSError, SafetensorError) as error:
            problem = f"has no readable {file.name}"
            raise ModelError(Finding(problem, "give a whole Hugging Face folder", file=str(folder))) from error


def _is_tied(config: dict[str, Any], folder: Path, files: dict[str, Path]) -> bool:
    """Whether the head is the embedding. transformers unties them where the files hold both, and they differ."""
    tied = config.get("tie_word_embeddings", config["model_type"] == "gemma3_text")
    if not tied or _HEAD not in files or _EMBEDDING not in files:
        return bool(tied)
    both = dict(_read(folder, files, iter((_HEAD, _EMBEDDING))))
    return np.array_equal(both[_HEAD], both[_EMBEDDING])


def _read_all(
    folder: Path, files: dict[str, Path], places: dict[str, Any], flat: dict[Any, Any], shardings: dict[Any, Any]
) -> None:
    """Put every tensor of the folder where it belongs."""
    missing, unknown = places.keys() - files.keys(), files.keys() - places.keys() - {_HEAD}
    if missing or unknown:
        problem = (
            f"lacks {_some(missing)}" if missing else f"has {_some(unknown)}, which Tunix's model has no place for"
        )
        raise ModelError(Finding(problem, "give a whole folder of the model, or use engine: trl", file=str(folder)))
    for name, tensor in _read(folder, files, iter(places)):
        variable = flat[places[name]]
        shape = _shape_in_hf(name, variable.shape)
        if tensor.shape != shape:
            problem = f"has {name} of shape {list(tensor.shape)}, and its config.json asks for {list(shape)}"
            raise ModelError(Finding(problem, "give a whole folder of one model", file=str(folder)))
        value = _to_tunix(name, tensor, variable.shape).astype(variable.dtype)
        flat[places[name]] = variable.replace(_put(value, shardings[places[name]], name))


def _some(names: Any) -> str:
    first = min(names)
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"


def _put(value: Array, sharding: Any, name: str) -> jax.Array:
    sharding = sharding.get_raw_value()
    for size, axes in zip(value.shape, sharding.spec, strict=False):
        parts = math.prod(sharding.mesh.shape[axis] for axis in ([axes] if isinstance(axes, str) else axes or []))
        if size % parts:
            problem = f"does not share {name} out: {size} is no multiple of {parts}"
            raise ModelError(Finding(problem, "use fewer devices on that axis", key="mesh"))
    placed: jax.Array = jax.device_put(value, sharding)
    return placed


# --- layouts: a Hugging Face layer maps the last axis to the first, Tunix's the first to the last


def _inputs(name: str, shape: tuple[int, ...]) -> int:
    """How many numbers go into a layer of Tunix's, by its shape."""
    return shape[0] * shape[1] if ".o_proj." in name else shape[0]


def _shape_in_hf(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) == 1 or name == _EMBEDDING:
        return shape
    inputs = _inputs(name, shape)
    return math.prod(shape) // inputs, inputs


def _to_tunix(name: str, tensor: Array, shape: tuple[int, ...]) -> Array:
    return tensor if tensor.ndim == 1 or name == _EMBEDDING else tensor.T.reshape(shape)


def _to_hf(name: str, value: Array) -> Array:
    if value.ndim == 1 or name == _EMBEDDING:
        return value
    return np.ascontiguousarray(value.reshape(_inputs(name, value.shape), -1).T)
