"""Tiny models of every family that Tunix has, as transformers makes them, and one batch for all."""

import math
from pathlib import Path
from typing import Any

import numpy as np

SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "initializer_range": 0.2,  # sharp enough that a fault in the attention is seen
}
# Of six layers the last sees everything, and the others slide.
GEMMA = {"num_hidden_layers": 6, "sliding_window": 4, "query_pre_attn_scalar": 16}
FAMILIES = ("qwen3", "qwen2", "llama", "gemma3_text")

# Left-padded by 6, 3 and 0 tokens.
REAL = np.arange(20) >= np.array([6, 3, 0])[:, None]
IDS = np.where(REAL, np.random.default_rng(0).integers(0, 64, REAL.shape), -1)
POSITIONS = np.clip(np.cumsum(REAL, axis=1) - 1, 0, None)
MASK = np.tril(np.ones((20, 20), bool)) & REAL[:, None, :]


def make_torch_model(family: str, folder: Path | None = None, *, shards: str = "1GB", **changes: Any) -> Any:
    """A model of random weights, saved where a folder is given."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    settings = SIZES | (GEMMA if family == "gemma3_text" else {}) | changes
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **settings)).float().eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:  # norms of one and biases of zero would hide faults
            torch.nn.init.normal_(parameter, 0.5, 0.3)
    if folder is not None:
        model.save_pretrained(folder, max_shard_size=shards)
    return model


def torch_logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        ids, mask, positions = (torch.tensor(part) for part in (np.where(REAL, IDS, 0), REAL.astype(int), POSITIONS))
        return model(ids, attention_mask=mask, position_ids=positions).logits.float().numpy()


def jax_logits(model: Any) -> Any:
    import jax
    from flax import nnx

    with jax.default_matmul_precision("highest"):
        return np.asarray(nnx.jit(lambda model: model(IDS, POSITIONS, None, MASK)[0])(model))


def distance(ours: Any, theirs: Any) -> float:
    """Of the scores of real tokens, relative to the size of theirs."""
    return math.dist(ours[REAL].ravel(), theirs[REAL].ravel()) / float(np.linalg.norm(theirs[REAL]))
