"""How does a model trained on JAX become a folder that plain transformers, vLLM, llama.cpp's converter or peft read?"""

import logging
import math
from collections import Counter
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from safetensors import safe_open

from grpoctl.engines.base import Exported
from grpoctl.engines.tunix import weights
from grpoctl.engines.tunix.devices import settle
from grpoctl.engines.tunix.load import Loaded, is_whole, load, lora_settings, weights_folder
from grpoctl.errors import Finding, InputError
from grpoctl.model_files import find_tokenizer
from grpoctl.recipe.schema import Recipe
from grpoctl.tokenizer_files import write_tokenizer

_log = logging.getLogger(__name__)

_DTYPES = {"BF16": "bfloat16", "F16": "float16"}  # all else is float32 here


def export(recipe: Recipe, base: Path, trained: Path | None, folder: Path, *, adapter_only: bool = False) -> Exported:
    """Write the model into the folder: adapters merged, or the adapters alone."""
    settle(recipe)
    own = trained if trained is not None and (trained / "tokenizer_config.json").is_file() else None
    source = own or find_tokenizer(recipe) or base
    adapted = _is_adapted(recipe, trained)
    if adapter_only and not adapted:
        problem = "was asked for, and this model has no adapter"
        raise InputError(Finding(problem, "leave it out", file="--adapter"))
    dtype = _dtype(recipe, weights_folder(base, trained), adapted, trained)
    loaded = _load(recipe, base, trained, source, adapted, dtype)
    adapters = loaded.kind.adapter_tensors(loaded.model) if adapted else {}
    if adapter_only:
        weights.write_adapter(folder, recipe, base, adapters)
        exported = Exported("peft", "float32", _count(adapters))
    else:
        scale = (lora_settings(recipe) or {}).get("scale", 1.0)
        whole = weights.merged(loaded.kind.hf_tensors(loaded.model), adapters, scale, jnp.dtype(dtype))
        limit = recipe.export_size * 10**9
        weights.write_whole(folder, weights_folder(base, trained), whole, loaded.end_ids, limit)
        exported = Exported("hf", dtype, _count(whole))
    write_tokenizer(loaded.tokenizer, source, find_tokenizer(recipe) or base, folder)
    return exported


def _is_adapted(recipe: Recipe, trained: Path | None) -> bool:
    if recipe.finetuning_type != "lora":
        return False
    return bool(recipe.adapter_name_or_path) if trained is None else not is_whole(trained)


def _dtype(recipe: Recipe, folder: Path, adapted: bool, trained: Path | None) -> str:
    """What the weights were in beside the adapters, or what they are kept in."""
    if adapted or trained is None:
        asked = "bfloat16" if recipe.bf16 else None
        return asked or ("float32" if trained is not None else _kept_dtype(folder))
    return _kept_dtype(folder) if is_whole(trained) else "float32"  # which is what training keeps


def _kept_dtype(folder: Path) -> str:
    """What most numbers of a folder are; its config.json may say otherwise."""
    kept: Counter[str] = Counter()
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="numpy") as tensors:  # type: ignore[no-untyped-call]
            for name in tensors.keys():  # noqa: SIM118, as this is no mapping
                part = tensors.get_slice(name)
                kept[part.get_dtype()] += math.prod(part.get_shape())
    return _DTYPES.get(kept.most_common(1)[0][0], "float32") if kept else "float32"


def _load(recipe: Recipe, base: Path, trained: Path | None, source: Path, adapted: bool, dtype: str) -> Loaded:
    if recipe.quantization_bit is not None and adapted:
        bits = recipe.quantization_bit
        _log.info("the adapters were trained on %d-bit weights; they are merged into the unquantised ones.", bits)
    changes: dict[str, Any] = {
        "quantization_bit": None,
        "tokenizer_name_or_path": str(source),
        # Weights without adapters are read as float32, which holds whatever a file has.
        "finetuning_type": "lora" if adapted else "full",
        "bf16": dtype == "bfloat16",
    }
    return load(recipe.model_copy(update=changes), base, trained)


def _count(tensors: dict[str, Any]) -> int:
    return sum(part.size for part in tensors.values())
