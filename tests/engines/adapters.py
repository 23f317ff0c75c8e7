"""An adapter that changes a model a good deal, as a run leaves it; no engine and no peft makes it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from grpoctl import shipped

TINY = shipped.MODELS["tiny"]
LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
RANK, ALPHA = 4, 8

# What a recipe says of it.
AS_IN = (f"lora_rank={RANK}", f"lora_alpha={ALPHA}", "lora_target=all")


def write_adapter(folder: Path, *, seed: int = 0, spread: float = 0.05, **settings: Any) -> Path:
    """On every linear layer of the tiny model."""
    from safetensors.numpy import load_file, save_file

    numbers = np.random.default_rng(seed)
    tensors: dict[str, Any] = {}
    for name, weight in load_file(TINY / "model.safetensors").items():
        layer = name.removesuffix(".weight")
        if layer.endswith(LAYERS):
            rows, columns = weight.shape
            shapes = {"A": (RANK, columns), "B": (rows, RANK)}
            for part, shape in shapes.items():
                drawn = numbers.normal(0, spread if part == "B" else 0.1, shape)
                tensors[f"base_model.model.{layer}.lora_{part}.weight"] = drawn.astype(np.float32)
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": str(TINY), "r": RANK,
        "lora_alpha": ALPHA, "target_modules": list(LAYERS), "bias": "none", "lora_dropout": 0.0,
        "inference_mode": True, **settings,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
