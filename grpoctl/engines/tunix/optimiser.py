"""How does the optimiser move? AdamW and gradient clipping as transformers and torch have them, in optax."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

# A gradient that is no number is held back for ever; the trainer stops at the first.
_FOR_EVER = 2**31 - 1


class ClipState(NamedTuple):
    norm: jax.Array  # of the whole gradient, before it was cut


class RateState(NamedTuple):
    rate: jax.Array  # set from outside before each step, so that the recipe of now decides


def make_optimiser(
    *, beta1: float, beta2: float, epsilon: float, weight_decay: float, max_grad_norm: float
) -> optax.GradientTransformation:
    """The chain that a recipe asks for; its rate is given by `set_rate`."""
    adamw = optax.chain(
        optax.scale_by_adam(b1=beta1, b2=beta2, eps=epsilon),
        optax.add_decayed_weights(weight_decay, mask=_is_decayed),
        _scale_by_rate(),
    )
    return optax.chain(_clip(max_grad_norm), optax.apply_if_finite(adamw, max_consecutive_errors=_FOR_EVER))


def _clip(max_norm: float) -> optax.GradientTransformation:
    def init(_: Any) -> ClipState:
        return ClipState(jnp.zeros(()))

    def update(gradient: Any, _: ClipState, params: Any = None) -> tuple[Any, ClipState]:
        norm = optax.tree.norm(gradient)
        if max_norm:
            factor = jnp.minimum(1.0, max_norm / (norm + 1e-6))  # as torch cuts
            gradient = jax.tree.map(lambda part: part * factor.astype(part.dtype), gradient)
        return gradient, ClipState(norm)

    return optax.GradientTransformation(init, update)


def _scale_by_rate() -> optax.GradientTransformation:
    def init(_: Any) -> RateState:
        return RateState(jnp.zeros(()))

    def update(steps: Any, state: RateState, params: Any = None) -> tuple[Any, RateState]:
        return jax.tree.map(lambda part: -state.rate.astype(part.dtype) * part, steps), state

    return optax.GradientTransformation(init, update)


def _is_decayed(params: Any) -> Any:
    """Every weight but biases and norms, as transformers' trainer has it."""

    def decayed(path: tuple[Any, ...], _: Any) -> bool:
        names = [str(getattr(part, "key", getattr(part, "name", part))) for part in path]
        return not any("norm" in name or name in ("bias", "b") for name in names)

    return jax.tree_util.tree_map_with_path(decayed, params)


# --- the parts of a live optimiser


def set_rate(optimiser: nnx.Optimizer[Any], rate: float) -> None:
    variable = _find(optimiser, RateState).rate
    place = variable[...]
    variable[...] = jax.device_put(jnp.asarray(rate, place.dtype), place.sharding)


def gradient_norm(optimiser: nnx.Optimizer[Any]) -> float:
    """Of the last step's gradient, before it was cut."""
    return float(_find(optimiser, ClipState).norm[...])


def between_steps(optimiser: nnx.Optimizer[Any]) -> Any:
    """The state without sums over micro-steps, of which nothing is left between two steps."""
    state = optimiser.opt_state
    return state.inner_opt_state if isinstance(state, optax.MultiStepsState) else state


def _find(optimiser: nnx.Optimizer[Any], kind: type) -> Any:
    is_it: Callable[[Any], bool] = lambda part: isinstance(part, kind)  # noqa: E731
    [found] = [part for part in jax.tree.leaves(optimiser.opt_state, is_leaf=is_it) if is_it(part)]
    return found
