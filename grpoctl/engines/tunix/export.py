"""How does a model trained on JAX become a folder that plain transformers, vLLM, llama.cpp's converter or peft read?"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from grpoctl.engines.base import Exported
from grpoctl.engines.tunix import models, weights
from grpoctl.engines.tunix.devices import settle
from grpoctl.engines.tunix.load import load, lora_settings
from grpoctl.engines.tunix.lora import adapter_tensors
from grpoctl.errors import Finding, InputError
from grpoctl.model_files import find_tokenizer
from grpoctl.recipe.schema import Recipe
from grpoctl.tokenizer_files import write_tokenizer


def export(recipe: Recipe, base: Path, trained: Path | None, folder: Path, *, adapter_only: bool = False) -> Exported:
    """Write the model into the folder: adapters merged, or the adapters alone."""
    settle(recipe)
    # Adapters of quantised training are merged into the whole weights.
    loaded = load(recipe.model_copy(update={"quantization_bit": None}), base, trained)
    settings = lora_settings(recipe)
    adapters = adapter_tensors(loaded.model) if settings is not None else {}
    if adapter_only:
        if not adapters:
            problem = "was asked for, and this model has no adapter"
            raise InputError(Finding(problem, "leave it out", file="--adapter"))
        weights.write_adapter(folder, recipe, base, adapters)
        exported = Exported("peft", "float32", sum(part.size for part in adapters.values()))
    else:
        whole = models.hf_tensors(loaded.model)
        if settings is not None and adapters:
            dtype = jnp.bfloat16 if recipe.bf16 else np.float32
            whole = weights.merged(whole, adapters, settings["scale"], dtype)
        weights.write_whole(folder, base, whole, loaded.end_ids, recipe.export_size * 10**9)
        exported = Exported("hf", str(next(iter(whole.values())).dtype), sum(part.size for part in whole.values()))
    write_tokenizer(loaded.tokenizer, find_tokenizer(recipe) or base, base, folder)
    return exported
