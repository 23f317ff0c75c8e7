"""How many bytes does torch save for the backward pass, for each token, layer and unit of a model's sizes?

    python benchmarks/memory_saved.py

Tensors are counted as autograd saves them, each storage once, without the weights. The differences between models of
two and four layers, and between sizes, give the coefficients of grpoctl/estimate/activations.py.
"""

import logging
import warnings
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from grpoctl.table import table

_BASE = {"hidden_size": 128, "intermediate_size": 192, "num_attention_heads": 4, "num_key_value_heads": 2}
# What one more of each size adds to; heads are counted by their values.
_SIZES = {
    "hidden": "hidden_size",
    "inner": "intermediate_size",
    "queries": "num_attention_heads",
    "keys": "num_key_value_heads",
}
_HEAD, _RANK, _ROWS, _LENGTH = 32, 16, 2, 50


def model_of(kind: str, sizes: dict[str, int], layers: int, dtype: torch.dtype, lora: bool) -> Any:
    config = AutoConfig.for_model(
        kind,
        vocab_size=512,
        num_hidden_layers=layers,
        head_dim=_HEAD,
        tie_word_embeddings=True,
        pad_token_id=0,
        **sizes,
    )
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    model.train()
    if lora:
        model = get_peft_model(model, LoraConfig(r=_RANK, target_modules="all-linear", task_type="CAUSAL_LM"))
    return model


def saved_by(model: Any, autocast: bool) -> int:
    """Bytes of all that a forward pass saves, but for weights and their 16-bit copies."""
    shapes = {tuple(weight.shape) for weight in model.parameters()}
    shapes |= {tuple(reversed(shape)) for shape in shapes}
    own = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, tuple[int, Any]] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and tuple(tensor.shape) not in shapes:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no other takes its place
        return tensor

    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    ids = torch.randint(1, 500, (_ROWS, _LENGTH))
    mask = torch.ones_like(ids)
    mask[0, :3] = 0  # padding, as a batch of prompts has it
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=autocast),
    ):
        core.model(input_ids=ids, attention_mask=mask, use_cache=False)
    return sum(size for size, _ in kept.values())


def per_token(kind: str, dtype: torch.dtype, lora: bool, autocast: bool, **more: int) -> float:
    """Bytes for a token and layer."""
    sizes = {**_BASE, **more}
    two, four = (saved_by(model_of(kind, sizes, layers, dtype, lora), autocast) for layers in (2, 4))
    return (four - two) / 2 / (_ROWS * _LENGTH)


def coefficients(kind: str, dtype: torch.dtype, lora: bool, autocast: bool) -> list[float]:
    base = per_token(kind, dtype, lora, autocast)
    found = []
    for key in _SIZES.values():
        step = _BASE[key] * (_HEAD if "heads" in key else 1)
        found.append((per_token(kind, dtype, lora, autocast, **{key: 2 * _BASE[key]}) - base) / step)
    return found


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    rows = [["bytes for a token and layer", *_SIZES]]
    for kind in ("qwen3", "llama", "qwen2"):
        for lora in (False, True):
            for autocast in (False, True):
                # Frozen weights are loaded in 16 bits, trained ones stay in float32.
                dtype = torch.bfloat16 if lora and autocast else torch.float32
                name = f"{kind}, {'LoRA' if lora else 'full'}, {'bfloat16' if autocast else 'float32'}"
                rows.append([name, *(f"{value:.1f}" for value in coefficients(kind, dtype, lora, autocast))])
    print("\n".join(table(rows, range(1, 9))))


if __name__ == "__main__":
    main()
