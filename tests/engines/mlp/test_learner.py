"""A step on digits: its advantages, its loss, and that many steps are one scan."""

from dataclasses import replace
from typing import Any

import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("flax")

import jax.numpy as jnp
import numpy as np
import optax
from idx_files import picture

from grpoctl.advantage import advantages, spread
from grpoctl.engines.mlp.learner import Drawn, Learner, _sampled
from grpoctl.engines.mlp.translate import Settings, settings_of
from grpoctl.recipe.load import load_recipe

LABELS = [number % 10 for number in range(40)]
PIXELS = np.stack([np.frombuffer(picture(label, number), np.uint8) for number, label in enumerate(LABELS)])
KEY = jax.random.key(3)


def settings(**changes: Any) -> Settings:
    made = settings_of(load_recipe("mnist_grpo"))
    return replace(made, hidden_sizes=(16,), pictures=10, answers=4, **changes)


def drawn(learner: Learner) -> tuple[Drawn, Any]:
    """Answers to the first ten pictures, and what they earn, a row a picture."""
    labels = jnp.asarray(LABELS[:10])
    _, answers = learner._draw(learner.begin(), KEY, jnp.asarray(PIXELS[:10]), labels)
    return answers, np.asarray(answers.answers_G_B == labels, np.float64).T


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_advantages_are_those_of_the_other_engines(scale: Any) -> None:
    answers, rewards_P_G = drawn(Learner(settings(scale=scale), 0, PIXELS, LABELS))
    assert 0 < rewards_P_G.mean() < 1
    # A batch's deviation is that of its rewards there, and of their differences from the baseline here.
    expected = advantages(rewards_P_G, scale)
    if scale == "batch":
        centred = advantages(rewards_P_G, "none")
        expected = centred / (centred.std(ddof=1) + 1e-6)
    assert pytest.approx(expected, abs=1e-4) == np.asarray(answers.advantages_G_B).T


def test_the_whole_step_may_be_one_group() -> None:
    answers, rewards_P_G = drawn(Learner(settings(baseline="batch", scale="none"), 0, PIXELS, LABELS))
    assert pytest.approx(rewards_P_G - rewards_P_G.mean(), abs=1e-6) == np.asarray(answers.advantages_G_B).T


def test_the_moving_average_is_the_documents() -> None:
    learner = Learner(settings(baseline="moving_average", baseline_decay=0.9, scale="none"), 0, PIXELS, LABELS)
    state = learner.begin()._replace(average=jnp.asarray(0.5))
    labels = jnp.asarray(LABELS[:10])
    average, answers = learner._draw(state, KEY, jnp.asarray(PIXELS[:10]), labels)
    rewards = np.asarray(answers.answers_G_B == labels, np.float64)
    assert float(average) == pytest.approx(0.9 * 0.5 + 0.1 * rewards.mean())
    assert np.asarray(answers.advantages_G_B) == pytest.approx(rewards - float(average), abs=1e-6)


def test_ppo_compares_with_what_its_critic_expects_and_teaches_it() -> None:
    learner = Learner(settings(baseline="critic", scale="none"), 0, PIXELS, LABELS)
    state, pixels = learner.begin(), jnp.asarray(PIXELS[:10])
    answers, rewards_P_G = drawn(learner)
    values_B = np.asarray(learner.networks.values(state.weights, pixels))
    assert pytest.approx(rewards_P_G - values_B[:, None], abs=1e-5) == np.asarray(answers.advantages_G_B).T
    _, told = learner._loss(state.weights, answers, pixels, jnp.asarray(rewards_P_G.T))
    assert float(told["value_loss"]) == pytest.approx(((values_B[:, None] - rewards_P_G) ** 2).mean(), rel=1e-4)


def test_both_begin_with_the_same_actor() -> None:
    grpo, ppo = (Learner(settings(baseline=baseline), 0, PIXELS, LABELS) for baseline in ("prompt", "critic"))
    for ours, theirs in zip(
        jax.tree.leaves(grpo.begin().weights["actor"]), jax.tree.leaves(ppo.begin().weights["actor"]), strict=True
    ):
        assert (ours == theirs).all()


def test_the_loss_is_the_clipped_ratio_and_the_kl_to_the_start() -> None:
    learner = Learner(settings(pref_beta=0.3, clip_low=0.1, clip_high=0.2, temperature=1.5), 0, PIXELS, LABELS)
    answers, rewards_P_G = drawn(learner)
    chance = np.random.default_rng(0)
    moved = jax.tree.map(lambda w: w + 0.1 * chance.standard_normal(w.shape), learner.begin().weights)

    def log_probs(weights: Any) -> Any:
        logits = np.asarray(learner.networks.logits(weights, jnp.asarray(PIXELS[:10])), np.float64) / 1.5
        normal = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return normal[np.arange(10), np.asarray(answers.answers_G_B)]

    new, old = log_probs(moved), log_probs(learner.begin().weights)
    ratio, ours = np.exp(new - old), np.asarray(answers.advantages_G_B, np.float64)
    assert (ratio < 0.9).any() and (ratio > 1.2).any()
    policy = -np.minimum(ratio * ours, np.clip(ratio, 0.9, 1.2) * ours).mean()
    kl = (np.exp(old - new) - (old - new) - 1).mean()
    loss, told = learner._loss(
        moved, answers, jnp.asarray(PIXELS[:10]), jnp.asarray(rewards_P_G.T), learner._whole.reference
    )
    assert float(loss) == pytest.approx(policy + 0.3 * kl, abs=1e-5)
    assert float(told["kl"]) == pytest.approx(kl, abs=1e-5)


@pytest.mark.parametrize("rounds", [1, 3])
def test_many_steps_are_one_scan(rounds: int) -> None:
    learner = Learner(settings(rounds=rounds), 0, PIXELS, LABELS)
    whole, told = learner.take(learner.begin(), 0, [0.01] * 6)
    state = learner.begin()
    rewards = []
    for step in range(6):
        state, each = learner.take(state, step, [0.01])
        rewards += [float(value) for value in each["reward"]]
    assert np.asarray(told["reward"]) == pytest.approx(rewards)
    for one, other in zip(jax.tree.leaves(whole.weights), jax.tree.leaves(state.weights), strict=True):
        assert np.asarray(one) == pytest.approx(np.asarray(other), abs=1e-5)


def test_rounds_use_the_same_answers_again() -> None:
    learner = Learner(settings(rounds=3), 0, PIXELS, LABELS)
    rewards = np.asarray(learner.take(learner.begin(), 0, [1e-4] * 6)[1]["reward"])
    assert (rewards[:3] == rewards[0]).all() and (rewards[3:] == rewards[3]).all()
    assert (learner.places([0]) == learner.places([2])).all()


def test_every_picture_comes_once_an_epoch_and_epochs_differ() -> None:
    learner = Learner(settings(), 0, PIXELS, LABELS)
    first, second = learner.places(range(4)).ravel(), learner.places(range(4, 8)).ravel()
    assert sorted(first) == sorted(second) == list(range(40))
    assert (first != second).any()


def test_answers_are_as_frequent_as_they_are_likely() -> None:
    probs = np.array([[0.5, 0.2, 0.1, 0.05, 0.05, 0.04, 0.03, 0.02, 0.01, 0.0]], np.float32)
    answers = np.asarray(_sampled(jax.random.key(0), jnp.asarray(probs), 100_000))
    # Four standard deviations of a share of 0.5 among 100,000.
    assert np.bincount(answers[:, 0], minlength=10) / 100_000 == pytest.approx(probs[0], abs=0.0064)


def test_a_groups_mean_misses_the_true_chance_as_theory_says() -> None:
    learner = Learner(settings(), 0, np.tile(PIXELS, (50, 1)), LABELS * 50)
    many = Learner(replace(settings(), pictures=2000, answers=16), 0, np.tile(PIXELS, (50, 1)), LABELS * 50)
    _, told = many.take(many.begin(), 0, [1e-9])
    assert float(told["baseline_error"][0]) == pytest.approx(float(told["baseline_error_expected"][0]), rel=0.06)
    assert learner.batches_an_epoch == 200


def test_what_is_told_of_the_rewards_is_what_the_other_engines_tell() -> None:
    learner = Learner(settings(), 0, PIXELS, LABELS)
    answers, rewards_P_G = drawn(learner)
    told = learner._spread(jnp.asarray(rewards_P_G.T, jnp.float32), answers)
    for name in ("reward", "reward_std", "zero_std_share", "advantage_std"):
        assert float(told[name]) == pytest.approx(spread(rewards_P_G)[name], abs=1e-5), name


def test_the_optimiser_is_adam_and_clips_where_asked() -> None:
    plain = Learner(settings(max_grad_norm=0.0, weight_decay=0.0), 0, PIXELS, LABELS)
    state = plain.begin()
    gradient = jax.tree.map(jnp.ones_like, state.weights)
    moves, _ = plain._optimiser.update(gradient, state.optimiser, state.weights)
    theirs = optax.adam(1.0)
    expected, _ = theirs.update(gradient, theirs.init(state.weights), state.weights)
    for one, other in zip(jax.tree.leaves(moves), jax.tree.leaves(expected), strict=True):
        assert np.asarray(one) == pytest.approx(-np.asarray(other), rel=1e-5)
    cut = Learner(settings(max_grad_norm=1.0, weight_decay=0.0), 0, PIXELS, LABELS)
    _, kept = cut._optimiser.update(gradient, cut._optimiser.init(state.weights), state.weights)
    means = optax.tree.get_all_with_path(kept, "mu")[0][1]
    norm = sum(leaf.size for leaf in jax.tree.leaves(gradient)) ** 0.5
    for leaf in jax.tree.leaves(means):
        assert np.asarray(leaf) == pytest.approx(0.1 / norm, rel=1e-4)  # a tenth of a gradient of norm 1
