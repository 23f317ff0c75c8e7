"""What do plain transformers, peft and safetensors read from a folder?"""

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

IDS = torch.arange(3, 43).reshape(2, 20)  # whatever tokens


def plain(folder: Path, **how: Any) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, **how).eval()


@torch.no_grad()
def logits(model: Any) -> Any:
    return model.eval()(input_ids=IDS).logits


def distance(one: Any, other: Any) -> float:
    """How far the logits are apart.

    Computed in float64: in float32 the same weights give logits of 15 that are off by up to 2e-5 themselves, merged or
    not, which would hide a wrong weight.
    """
    return float((logits(one.double()) - logits(other.double())).abs().max())


def tensors(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as held:  # type: ignore[no-untyped-call]
            found |= {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118, as this is no mapping
    return found
