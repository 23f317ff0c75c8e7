"""How is every weight trained so that the model stays good when it is quantised?

Layers compute with weights rounded to a few bits and inputs to eight, while the weights themselves stay whole, and
gradients pass as if nothing had been rounded. What comes out is a whole model, to be quantised by whatever serves it.
"""

from typing import Any

import jax
import qwix
from flax import nnx
from jax import numpy as jnp

from grpoctl.engines.tunix.lora import named_layers, on_same_weights, one_token, qwix_path


def quantise_for_training(model: nnx.Module, bits: int) -> nnx.Module:
    """A model on the same weights whose linear layers, but for the head, compute with weights of so many bits."""
    # inputs of 4 bits would turn the gradients away
    kept = {"weight_qtype": f"int{bits}", "act_qtype": "int8"}
    paths = named_layers(model, ("all",)).values()
    rules = [qwix.QtRule(module_path=qwix_path(path), **kept) for path in paths]
    inputs = one_token(model)
    return on_same_weights(model, lambda model: qwix.quantize_model(model, _Rounding(rules), *inputs))


class _Rounding(qwix.QtProvider):  # type: ignore[misc]
    """qwix's, where what a layer returns keeps the type that it has without rounding."""

    def dot_general(self, lhs: jax.Array, rhs: jax.Array, *args: Any, **kwargs: Any) -> jax.Array:
        return jnp.astype(super().dot_general(lhs, rhs, *args, **kwargs), jnp.result_type(lhs, rhs))

    def einsum(self, einsum_str: str, *operands: Any, **kwargs: Any) -> jax.Array:
        return jnp.astype(super().einsum(einsum_str, *operands, **kwargs), jnp.result_type(*operands))
