"""How does Tunix's GRPO loss come to mean what the recipe says, and what TRL's means?

Tunix's own grpo_loss_fn computes it. A factor turns its averages into those that each loss_type stands for, and what is
told of a step has TRL's names and definitions. Tunix holds the logarithm of a policy ratio within 20 (gspo: below 10),
and TRL does not: the losses part where a token has become e^20 times as likely.
"""

from dataclasses import dataclass, replace
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tunix.rl import algo_core, common
from tunix.rl.grpo.grpo_learner import GRPOConfig

from grpoctl.engines.tunix.rollout import PAD

Told = dict[str, jax.Array]
Array = np.ndarray[Any, Any]


@dataclass(kw_only=True)
class GroupConfig(GRPOConfig):  # type: ignore[misc]  # Tunix has no types
    """Tunix's settings, and those that a recipe has beside them."""

    loss_type: str = "grpo"
    epsilon_high: float = 0.2
    kl_loss_mode: str = "low_var_kl"  # k3
    temperature: float = 1.0
    max_completion_length: int | None = None  # what dr_grpo divides by; None: as wide as the completions come


@flax.struct.dataclass(frozen=True, kw_only=True)
class GroupExample(common.TrainExample):  # type: ignore[misc]
    """Completions of a step. What is one number for all of them stands in every row, so that slices have it too."""

    mean_tokens: Any  # that a micro-batch of the optimiser step has in the loss, on average


def micro_batches(
    prompt_ids: Array,
    completion_ids: Array,
    completion_mask: Array,
    advantages: Array,
    reference: Array | None,
    old: Array | None,
    rows: int,
) -> list[GroupExample]:
    """The completions of one optimiser step, so many rows at a time. The mask says what is in the loss."""
    whole = GroupExample(
        prompt_ids=prompt_ids,
        prompt_mask=prompt_ids != PAD,
        completion_ids=completion_ids,
        completion_mask=completion_mask,
        advantages=advantages,
        ref_per_token_logps=reference,
        old_per_token_logps=old,
        mean_tokens=np.full(len(prompt_ids), completion_mask.sum() * rows / len(prompt_ids), np.float32),
    )
    starts = range(0, len(prompt_ids), rows)
    return [jax.tree.map(lambda part, at=start: part[at : at + rows], whole) for start in starts]


def group_loss(
    model: nnx.Module, train_example: GroupExample, algo_config: GroupConfig, pad_id: int, eos_id: int
) -> tuple[jax.Array, Told]:
    """The loss of a micro-batch and what is told of it; the mean over a step's micro-batches is the step's."""
    graph, state = nnx.split(model)
    _, logits = common.compute_per_token_logps(
        graph,
        state,
        prompt_tokens=train_example.prompt_ids,
        completion_tokens=train_example.completion_ids,
        pad_id=pad_id,
        eos_id=eos_id,
        stop_gradient=False,
        return_logits=True,
        temperature=algo_config.temperature,
    )
    return loss_of_logits(logits, train_example, algo_config)


def loss_of_logits(logits: jax.Array, example: GroupExample, config: GroupConfig) -> tuple[jax.Array, Told]:
    """The same for a model that gave these logits, divided by the temperature, at the completions' positions."""
    # Tunix drops the position behind the last token.
    known = _Known(jnp.pad(logits, ((0, 0), (0, 1), (0, 0))))
    loss, theirs = algo_core.grpo_loss_fn(known, example, replace(config, temperature=1.0), pad_id=PAD, eos_id=PAD)
    told = _clipped(_log_ratio(logits, example, config), example, config)
    entropies = algo_core.compute_entropy_from_logits(logits.astype(jnp.float32))
    told["entropy"] = _token_mean(entropies, example.completion_mask)
    if config.beta:
        told["kl"] = theirs["kl"]
    return loss * _factor(example, config), told


class _Known(nnx.Module):
    """A model that has given its answer: so one pass serves the loss and what is told of it."""

    def __init__(self, logits: jax.Array) -> None:
        self.logits = nnx.Variable(logits)

    def __call__(self, tokens: jax.Array, positions: Any, cache: Any, attention_mask: Any) -> tuple[jax.Array, None]:
        return self.logits[...], None


def _factor(example: GroupExample, config: GroupConfig) -> jax.Array:
    """From Tunix's average over a micro-batch to the recipe's."""
    mask: jax.Array = example.completion_mask
    if config.loss_type == "bnpo":
        return jnp.ones(())
    if config.loss_type == "dapo":  # over the tokens of the whole step
        mean: jax.Array = example.mean_tokens.max()
        return mask.sum() / jnp.maximum(mean, 1e-9)  # a step may have nothing in its loss
    # Tunix leaves a completion without a token out of the mean; here it counts as a loss of 0.
    kept: jax.Array = (mask.sum(-1) > 0).mean()
    if config.loss_type == "dr_grpo":
        return kept * mask.shape[1] / (config.max_completion_length or mask.shape[1])
    return kept


# --- what is told, as TRL defines it


def _log_ratio(logits: jax.Array, example: GroupExample, config: GroupConfig) -> jax.Array:
    """How much likelier each token is than when it was drawn; with gspo each completion, in one column."""
    if example.old_per_token_logps is None:
        ratio: jax.Array = jnp.zeros(example.completion_mask.shape)
    else:
        now = common.selective_log_softmax(jax.lax.stop_gradient(logits), example.completion_ids)
        ratio = now - example.old_per_token_logps
    if config.loss_type != "gspo":
        return ratio
    mask: jax.Array = example.completion_mask
    return ((ratio * mask).sum(-1) / jnp.maximum(mask.sum(-1), 1))[:, None]


def _clipped(log_ratio: jax.Array, example: GroupExample, config: GroupConfig) -> Told:
    """The shares of tokens (gspo: of completions) at which the clip holds the ratio."""
    ratio, gain = jnp.exp(log_ratio), example.advantages[:, None]
    low = (ratio < 1 - config.epsilon) & (gain < 0)
    high = (ratio > 1 + config.epsilon_high) & (gain > 0)
    mask = jnp.ones_like(low) if low.shape[1] == 1 else example.completion_mask
    # A completion without a token has no share, and takes no part in the extremes.
    tokens = mask.sum(-1)
    of_rows = [jnp.where(tokens > 0, (side * mask).sum(-1) / tokens, jnp.nan) for side in (low, high)]
    return {
        "clip_ratio/low_mean": _token_mean(low, mask),
        "clip_ratio/low_min": jnp.nanmin(of_rows[0]),
        "clip_ratio/high_mean": _token_mean(high, mask),
        "clip_ratio/high_max": jnp.nanmax(of_rows[1]),
        "clip_ratio/region_mean": _token_mean(low | high, mask),
    }


def _token_mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    return (values * mask).sum() / jnp.maximum(mask.sum(), 1)
