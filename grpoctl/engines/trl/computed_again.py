"""How do layers that are computed again in the backward pass read a shared prompt's keys and values?

transformers' own checkpointing takes the cache away from a layer. Here a layer is a function of its input and of the
prompt's keys and values, so it can be computed again, and gradients pass to both. Of completions nothing is kept but
what goes into each layer, and of prompts their keys and values beside it, once for the whole group.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

# Keys and values of each layer, by its number.
Kept = dict[int, tuple[Tensor, Tensor]]


def can_compute_again(core: Any) -> bool:
    """Whether each layer takes a cache, by the one name, and knows its number."""
    layers = _layers(core)
    numbers = [_number(layer) for layer in layers]
    named = all("past_key_values" in inspect.signature(layer.forward).parameters for layer in layers)
    return named and numbers == list(range(core.config.get_text_config().num_hidden_layers))


@contextmanager
def kept_by_layers(core: Any) -> Iterator[Kept]:
    """Inside, every layer of the model leaves its keys and values."""
    kept: Kept = {}

    def run(layer: Callable[..., Any], number: int, hidden: Tensor) -> Any:
        def of(hidden: Tensor) -> tuple[Any, Tensor, Tensor]:
            own = _OneLayer()
            return layer(hidden, past_key_values=own), own.keys, own.values

        result, *kept_here = checkpoint(of, hidden, use_reentrant=False)
        kept[number] = (kept_here[0], kept_here[1])
        return result

    with _each_layer(core, run):
        yield kept


@contextmanager
def read_by_layers(core: Any, kept: Kept, group: Tensor) -> Iterator[None]:
    """Inside, every layer reads those: row i of its input the ones of row group[i]."""

    def run(layer: Callable[..., Any], number: int, hidden: Tensor) -> Any:
        def of(hidden: Tensor, keys: Tensor, values: Tensor) -> Any:
            # Repeated for the group in here, so that the repetition is not kept.
            return layer(hidden, past_key_values=_OneLayer(keys[group], values[group]))

        return checkpoint(of, hidden, *kept[number], use_reentrant=False)

    with _each_layer(core, run):
        yield


class _OneLayer:
    """What a layer takes for its cache: hands on what came before, and remembers what is new."""

    keys: Tensor
    values: Tensor

    def __init__(self, *before: Tensor) -> None:
        self._before = before

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        self.keys, self.values = keys, values
        if not self._before:
            return keys, values
        return torch.cat([self._before[0], keys], dim=2), torch.cat([self._before[1], values], dim=2)


@contextmanager
def _each_layer(core: Any, run: Callable[[Callable[..., Any], int, Tensor], Any]) -> Iterator[None]:
    layers = _layers(core)
    before = [(layer.__dict__.get("forward"), layer.gradient_checkpointing) for layer in layers]
    for number, layer in enumerate(layers):
        layer.forward = _forward(layer.forward, number, run)
        layer.gradient_checkpointing = False  # which would take the cache away
    try:
        yield
    finally:
        for layer, (forward, checkpointed) in zip(layers, before, strict=True):
            del layer.forward
            if forward is not None:
                layer.forward = forward
            layer.gradient_checkpointing = checkpointed


def _forward(original: Callable[..., Any], number: int, run: Callable[..., Any]) -> Callable[..., Any]:
    def forward(hidden: Tensor, *args: Any, **kwargs: Any) -> Any:
        def layer(hidden: Tensor, past_key_values: _OneLayer) -> Any:
            return original(hidden, *args, **{**kwargs, "past_key_values": past_key_values})

        return run(layer, number, hidden)

    return forward


def _layers(core: Any) -> list[Any]:
    return [module for module in core.modules() if isinstance(module, GradientCheckpointingLayer)]


def _number(layer: Any) -> int | None:
    return next((module.layer_idx for module in layer.modules() if hasattr(module, "layer_idx")), None)
