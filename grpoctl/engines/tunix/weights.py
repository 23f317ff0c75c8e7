"""How do weights on JAX become files that plain transformers and peft load?"""

import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from safetensors.flax import save_file

from grpoctl.engines.tunix.load import Loaded, lora_settings
from grpoctl.engines.tunix.lora import adapter_config
from grpoctl.model_files import find_tokenizer, is_remote
from grpoctl.recipe.schema import Recipe
from grpoctl.run.files import write_json
from grpoctl.tokenizer_files import json_of, write_tokenizer

_FORMAT = {"format": "pt"}  # which transformers looks for
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"


def write_model(folder: Path, recipe: Recipe, base: Path, loaded: Loaded, model: nnx.Module) -> None:
    """What was trained: adapters as peft keeps them, or every weight as transformers does."""
    if recipe.finetuning_type == "lora":
        write_adapter(folder, recipe, base, loaded.kind.adapter_tensors(model))
    else:
        write_whole(folder, base, loaded.kind.hf_tensors(model), loaded.end_ids, recipe.export_size * 10**9)
    source = find_tokenizer(recipe) or base
    write_tokenizer(loaded.tokenizer, source, base, folder)


def write_adapter(folder: Path, recipe: Recipe, base: Path, tensors: dict[str, Any]) -> None:
    settings, named = lora_settings(recipe) or {}, str(recipe.model_name_or_path)
    rank, hub = settings["rank"], is_remote(named)
    config = adapter_config(
        base=named if hub else str(base.absolute()),
        rank=rank,
        alpha=settings["scale"] * rank,
        target=settings["target"],
    )
    config["revision"] = recipe.model_revision if hub and recipe.model_revision != "main" else None
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "adapter_config.json", config)
    save_file(
        {name: jax.numpy.asarray(value) for name, value in tensors.items()},
        folder / "adapter_model.safetensors",
        _FORMAT,
    )


def write_whole(folder: Path, base: Path, tensors: dict[str, Any], end_ids: tuple[int, ...], most_bytes: int) -> None:
    """Weights in files of a size, with the base's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = _parts(tensors, most_bytes)
    names = (
        [_WEIGHTS]
        if len(parts) == 1
        else [f"model-{n:05d}-of-{len(parts):05d}.safetensors" for n in range(1, len(parts) + 1)]
    )
    for name, part in zip(names, parts, strict=True):
        _write({key: tensors[key] for key in part}, folder / name)
    if len(parts) > 1:
        total = sum(value.nbytes for value in tensors.values())
        places = {key: name for name, part in zip(names, parts, strict=True) for key in part}
        write_json(folder / _INDEX, {"metadata": {"total_size": total}, "weight_map": places})
    config = json_of(base / "config.json")
    dtype = str(next(iter(tensors.values())).dtype)
    write_json(folder / "config.json", {**config, **{key: dtype for key in ("dtype", "torch_dtype") if key in config}})
    settings = json_of(base / "generation_config.json")
    settings["eos_token_id"] = end_ids[0] if len(end_ids) == 1 else list(end_ids)
    write_json(folder / "generation_config.json", settings)
    for code in base.glob("*.py"):
        shutil.copyfile(code, folder / code.name)


def _write(tensors: dict[str, Any], file: Path) -> None:
    save_file({name: jax.numpy.asarray(value) for name, value in tensors.items()}, file, _FORMAT)


def _parts(tensors: dict[str, Any], most_bytes: int) -> list[list[str]]:
    """Names by file: as many in each as it holds, and one at least."""
    parts: list[list[str]] = [[]]
    size = 0
    for name, value in tensors.items():
        if parts[-1] and size + value.nbytes > most_bytes:
            parts.append([])
            size = 0
        parts[-1].append(name)
        size += value.nbytes
    return parts


def merged(base: dict[str, Any], adapters: dict[str, Any], scale: float, dtype: Any) -> dict[str, Any]:
    """The base with the adapters in its weights, each sum made in float32 and rounded once."""
    found = {}
    for name, value in base.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        first, second = adapters.get(f"{stem}.lora_A.weight"), adapters.get(f"{stem}.lora_B.weight")
        if first is not None and second is not None:
            value = np.asarray(value, np.float32) + scale * (second @ first)
        found[name] = np.asarray(value).astype(dtype)
    return found
