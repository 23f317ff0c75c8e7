"""Tunix's loss, made to mean what the recipe says: each way of averaging, the clip, the KL term, and what is told."""

import math
from typing import Any

import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("tunix")

import jax.numpy as jnp
import numpy as np
from flax import nnx

from grpoctl.engines.tunix.loss import GroupConfig, GroupExample, group_loss, loss_of_logits, micro_batches
from grpoctl.engines.tunix.rollout import PAD

# Three completions, of 2 and 4 tokens and one that is left out. Of a vocabulary of two, all take the first.
LENGTHS = (2, 4, 0)
ADVANTAGES = (2.0, -0.5, 1.0)
NOW = 0.25  # probability of each token


def settings(loss_type: str, **others: Any) -> GroupConfig:
    averaging = {"dapo": "token-mean", "bnpo": "token-mean", "dr_grpo": "sequence-mean-token-scale"}
    return GroupConfig(
        num_generations=3,
        loss_type=loss_type,
        loss_agg_mode=averaging.get(loss_type, "sequence-mean-token-mean"),
        loss_algo="gspo-token" if loss_type == "gspo" else "grpo",
        **{"beta": 0.0, **others},
    )


def examples(rows: int = 3, old: float | None = None, ref: float | None = None) -> Any:
    mask = np.arange(4) < np.array(LENGTHS)[:, None]
    reference, before = (None if p is None else np.full(mask.shape, math.log(p), np.float32) for p in (ref, old))
    prompts, completions = np.zeros((3, 2), np.int32), np.where(mask, 0, PAD)
    return micro_batches(prompts, completions, mask, np.array(ADVANTAGES, np.float32), reference, before, rows)


def logits(rows: int = 3, now: float = NOW) -> Any:
    return jnp.broadcast_to(jnp.log(jnp.array([now, 1 - now])), (rows, 4, 2))


def loss_of(config: GroupConfig, **given: Any) -> float:
    [example] = examples(**given)
    return float(loss_of_logits(logits(), example, config)[0])


@pytest.mark.parametrize(
    ("loss_type", "expected"),
    [
        # Without old log-probabilities every ratio is 1, and a token's loss is minus its advantage.
        ("grpo", (-2 + 0.5 + 0) / 3),
        ("gspo", (-2 + 0.5 + 0) / 3),
        ("bnpo", (2 * -2 + 4 * 0.5) / 6),
        ("dapo", (2 * -2 + 4 * 0.5) / 6),
        ("dr_grpo", (2 * -2 + 4 * 0.5) / (3 * 4)),
    ],
)
def test_each_loss_type_averages_as_its_name_says(loss_type: str, expected: float) -> None:
    assert loss_of(settings(loss_type)) == pytest.approx(expected)


def test_dr_grpo_divides_by_the_limit_however_wide_the_completions_come() -> None:
    config = settings("dr_grpo", max_completion_length=10)
    assert loss_of(config) == pytest.approx((2 * -2 + 4 * 0.5) / (3 * 10))


@pytest.mark.parametrize(
    ("loss_type", "expected"),
    [
        ("dapo", (2 * -2 + 4 * 0.5) / 6),  # over the step's tokens, whatever the micro-batch has
        ("bnpo", (-2 + 0.5 + 0) / 3),  # the mean over micro-batches of their own means
        ("grpo", (-2 + 0.5 + 0) / 3),
    ],
)
def test_the_mean_over_micro_batches_is_the_loss_of_the_step(loss_type: str, expected: float) -> None:
    config = settings(loss_type)
    parts = [float(loss_of_logits(logits(1), part, config)[0]) for part in examples(rows=1)]
    assert len(parts) == 3
    assert sum(parts) / 3 == pytest.approx(expected)


def test_a_step_with_nothing_in_the_loss_has_a_loss_of_zero() -> None:
    for loss_type in ("grpo", "dapo", "bnpo", "dr_grpo", "gspo"):
        config = settings(loss_type, beta=0.1)
        nothing = np.zeros((3, 4), bool)
        prompts, completions = np.zeros((3, 2), np.int32), np.zeros((3, 4), np.int32)
        log_probs = np.zeros((3, 4), np.float32)
        given = (np.array(ADVANTAGES, np.float32), log_probs, log_probs)
        [example] = micro_batches(prompts, completions, nothing, *given, 3)
        loss, gradient = jax.value_and_grad(lambda x, e=example, c=config: loss_of_logits(x, e, c)[0])(logits())
        assert (float(loss), float(jnp.abs(gradient).max())) == (0.0, 0.0)


def test_the_clip_has_an_upper_side_of_its_own() -> None:
    # The ratio is 0.25 / 0.125 = 2: the first completion gains by at most 1.28, the second loses in full.
    config = settings("bnpo", epsilon=0.2, epsilon_high=0.28)
    assert loss_of(config, old=0.125) == pytest.approx((2 * -2 * 1.28 + 4 * 0.5 * 2) / 6)
    # 0.25 / 0.5 = 0.5: the first loses in full, the second is held at 0.8.
    assert loss_of(config, old=0.5) == pytest.approx((2 * -2 * 0.5 + 4 * 0.5 * 0.8) / 6)


def test_kl_is_k3_towards_the_reference() -> None:
    # exp(d) - d - 1 with d = log(0.5 / 0.25)
    kl = 2 - math.log(2) - 1
    config = settings("bnpo", beta=0.1)
    [example] = examples(ref=0.5)
    loss, told = loss_of_logits(logits(), example, config)
    assert float(loss) == pytest.approx((2 * -2 + 4 * 0.5) / 6 + 0.1 * kl, rel=1e-5)
    assert float(told["kl"]) == pytest.approx(kl, rel=1e-5)


def test_what_is_told_has_the_definitions_of_trl() -> None:
    config = settings("grpo", epsilon=0.2, epsilon_high=0.28)
    [example] = examples(old=0.125)
    told = {name: float(value) for name, value in loss_of_logits(logits(), example, config)[1].items()}
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert told == pytest.approx(
        {
            "entropy": entropy,
            "clip_ratio/low_mean": 0.0,
            "clip_ratio/low_min": 0.0,
            "clip_ratio/high_mean": 2 / 6,  # the tokens of the first completion
            "clip_ratio/high_max": 1.0,
            "clip_ratio/region_mean": 2 / 6,
        }
    )


def test_gspo_counts_clipped_completions() -> None:
    config = settings("gspo", epsilon=0.2, epsilon_high=0.28)
    [example] = examples(old=0.125)
    told = loss_of_logits(logits(), example, config)[1]
    assert float(told["clip_ratio/high_mean"]) == pytest.approx(1 / 3)


class Bigrams(nnx.Module):
    """A model whose next token follows from the last."""

    def __init__(self) -> None:
        self.table = nnx.Param(jnp.array([[0.3, -0.7, 1.1], [0.2, 0.9, -0.4], [-1.0, 0.5, 0.0]]))

    def __call__(self, tokens: Any, positions: Any, cache: Any, attention_mask: Any) -> tuple[Any, None]:
        return self.table[...][tokens], None


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_models_logits_are_divided_by_the_temperature(temperature: float) -> None:
    config = settings("grpo", temperature=temperature)
    prompts, completions = np.array([[PAD, 1], [2, 0]]), np.array([[2, 0, PAD], [1, PAD, PAD]])
    given = (np.array([1.0, -1.0], np.float32), None, None)
    [example] = micro_batches(prompts, completions, completions != PAD, *given, 2)

    @nnx.jit
    def step(model: Bigrams, example: GroupExample) -> Any:
        return nnx.value_and_grad(lambda m: group_loss(m, example, config, PAD, PAD), has_aux=True)(model)

    model = Bigrams()
    (loss, told), gradient = step(model, example)
    assert float(loss) == pytest.approx(0.0)
    probabilities = jax.nn.softmax(model.table[...] / temperature)
    # d(-A log p)/d logits = A (p - one) / T: half of it for a completion, and half of that for each of two tokens.
    expected = np.zeros((3, 3))
    for before, token, weight in ((1, 2, 1 / 4), (2, 0, 1 / 4), (0, 1, -1 / 2)):
        expected[before] += weight * np.asarray(probabilities[before] - jnp.eye(3)[token]) / temperature
    assert np.allclose(gradient["table"][...], expected, atol=1e-6)
    entropies = -(probabilities * jnp.log(probabilities)).sum(-1)
    assert float(told["entropy"]) == pytest.approx(float(entropies.mean()), rel=1e-5)
