"""How do Tunix's models turn queries and keys by the angles that their own config.json asks for?

Tunix turns Qwen 3 and Llama by a theta of 1,000,000 whatever the config says, and knows no scaling there. The function
that does so is replaced, once for the process and for each family; it reads the frequencies of the model that is being
computed, so models with different ones can live side by side. Models that were not loaded here are turned as before.
"""

import math
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from types import ModuleType
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

Frequencies = tuple[float, ...]

_frequencies: ContextVar[Frequencies | None] = ContextVar("rotary_frequencies", default=None)


def inverse_frequencies(rope: dict[str, Any], head_dim: int) -> Frequencies:
    """The turn of each pair of numbers from one position to the next, as transformers computes it, in float32."""
    fractions = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    frequencies = np.float32(1.0) / np.power(np.float32(rope["rope_theta"]), fractions)
    if rope["rope_type"] == "linear":
        frequencies = frequencies / np.float32(rope["factor"])
    if rope["rope_type"] == "llama3":
        frequencies = _stretched(frequencies, rope)
    return tuple(float(value) for value in frequencies)


def _stretched(frequencies: "np.ndarray[Any, Any]", rope: dict[str, Any]) -> "np.ndarray[Any, Any]":
    """Llama 3.1's scaling: slow turns are slowed by the factor, fast ones kept, those between blended."""
    old, factor = rope["original_max_position_embeddings"], np.float32(rope["factor"])
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    lengths = np.float32(2 * math.pi) / frequencies
    blend = (np.float32(old) / lengths - np.float32(low)) / np.float32(high - low)
    between = (1 - blend) * frequencies / factor + blend * frequencies
    return np.where(lengths > old / low, frequencies / factor, np.where(lengths < old / high, frequencies, between))


def turn_by(model: Any, module: ModuleType, frequencies: Frequencies) -> None:
    """Make the model, which is one of the module's, turn by these frequencies."""
    if hasattr(module, "apply_rope"):
        _install(module, "apply_rope", _apply_rope)
        parts, method = [layer.attn for layer in model.layers], "block"
    else:  # Qwen 2 computes its angles once, for all layers
        _install(module, "_generate_pos_embeddings", _sines)
        parts, method = [model], "__call__"
    for part in parts:
        kind: Any = type(part)
        part.__class__ = _turning(kind, method)
        part.rotary_frequencies = frequencies


@cache
def _turning(kind: Any, method: str) -> type[Any]:
    """The same class, whose method computes with the frequencies of its own instance."""

    def with_own_frequencies(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = _frequencies.set(self.rotary_frequencies)
        try:
            return getattr(super(turning, self), method)(*args, **kwargs)
        finally:
            _frequencies.reset(before)

    turning = type(kind.__name__, (kind,), {method: with_own_frequencies})
    return turning


def _install(module: ModuleType, name: str, ours: Callable[..., Any]) -> None:
    theirs = getattr(module, name)
    if getattr(theirs, "is_grpoctl", False):
        return

    def chosen(*args: Any, **kwargs: Any) -> Any:
        frequencies = _frequencies.get()
        return theirs(*args, **kwargs) if frequencies is None else ours(frequencies, *args, **kwargs)

    chosen.is_grpoctl = True  # type: ignore[attr-defined]
    setattr(module, name, chosen)


def _sines(frequencies: Frequencies, positions: jax.Array, *_: Any, **__: Any) -> tuple[jax.Array, jax.Array]:
    angles = positions[..., None].astype(jnp.float32) * jnp.asarray(frequencies, jnp.float32)
    return jnp.sin(angles), jnp.cos(angles)


def _apply_rope(frequencies: Frequencies, inputs: jax.Array, positions: jax.Array, *_: Any, **__: Any) -> jax.Array:
    sin, cos = (part[:, :, None, :].astype(inputs.dtype) for part in _sines(frequencies, positions))
    first, second = jnp.split(inputs, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
