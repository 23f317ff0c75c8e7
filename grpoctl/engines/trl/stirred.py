"""How are adapters moved for a while, far enough to be seen and leaving no trace?"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer

_SCALES = [1e-3 * 4**power for power in range(8)]


def can_stir(model: Any) -> bool:
    """Whether there are adapters beside weights that can be put back bit for bit."""
    return bool(_last_adapters(model))


@contextmanager
def stirred(model: Any, enough: Callable[[], bool]) -> Iterator[None]:
    """The last layer's adapters, moved further and further until it is enough; the same noise on every process.

    What merges them into the weights inside and takes them out again leaves rounding there, which is undone here.
    """
    layers = _last_adapters(model)
    moved = [weight for layer in layers for weight in layer.lora_B.parameters()]
    weights = [*moved, *(layer.get_base_layer().weight for layer in layers)]
    kept = [weight.detach().clone() for weight in weights]
    chance = torch.Generator().manual_seed(0)
    noise = [torch.randn(weight.shape, generator=chance).to(weight) for weight in moved]
    try:
        for scale in _SCALES:
            with torch.no_grad():
                for weight, before, each in zip(moved, kept, noise, strict=False):
                    weight.copy_(before + scale * each)
            if enough():
                break
        yield
    finally:
        with torch.no_grad():
            for weight, before in zip(weights, kept, strict=True):
                weight.copy_(before)


def _last_adapters(model: Any) -> list[Any]:
    """Those of the layer with the highest number, where they stand beside plain linear layers."""
    if not isinstance(model, PeftModel):
        return []
    found: dict[int, list[Any]] = {}
    for name, module in model.named_modules():
        number = re.search(r"\.(\d+)\.", name)
        if isinstance(module, LoraLayer) and number is not None:
            found.setdefault(int(number[1]), []).append(module)
    last = found[max(found)] if found else []
    return last if all(type(layer.get_base_layer()) is torch.nn.Linear for layer in last) else []
