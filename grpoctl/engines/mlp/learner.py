"""What is one step of GRPO, or of PPO, on digits? Many of them are one compiled scan.

Shapes: B pictures of a step, G answers to each. With GRPO a reward is compared with the mean of its group, with PPO
with what a second network, the critic, expects. Nothing else differs.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from grpoctl.advantage import STD_EPSILON
from grpoctl.digits.pixels import Pixels
from grpoctl.engines.mlp.network import ANSWERS, Networks, Weights
from grpoctl.engines.mlp.translate import Settings


class Drawn(NamedTuple):
    """Answers to the pictures of a step, and what the policy that gave them made of them."""

    answers_G_B: jax.Array
    log_probs_G_B: jax.Array
    advantages_G_B: jax.Array
    baseline_error: jax.Array  # by how much the baseline misses each picture's true chance of a right answer
    expected_error: jax.Array  # what chance alone makes of it, where the baseline is a mean of G answers


class State(NamedTuple):
    """Everything that a step changes."""

    weights: Weights
    optimiser: Any
    average: jax.Array  # the moving average of the rewards
    drawn: Drawn


class _Whole(NamedTuple):
    """What is the same for all steps. Given to the compiled scan, not part of it, so that all seeds share one."""

    pixels_N: jax.Array
    labels_N: jax.Array
    key: jax.Array
    reference: Weights | None


class _Step(NamedTuple):
    """What a step is given: its number, its pictures, its learning rate."""

    number: jax.Array
    places_B: jax.Array
    rate: jax.Array


class Learner:
    """Draws answers, rewards them with 1 or 0, and moves the networks."""

    def __init__(self, settings: Settings, seed: int, pixels_N: Pixels, labels_N: Sequence[int]) -> None:
        self.networks = Networks(settings)
        self.settings, self._seed = settings, seed
        key, reference = jax.random.key(seed), self.networks.begin(seed) if settings.pref_beta else None
        self._whole = _Whole(
            jnp.asarray(pixels_N), jnp.asarray(labels_N, jnp.int32), jax.random.fold_in(key, ANSWERS), reference
        )
        self._optimiser = _optimiser(settings)
        self._scan, self._fresh = jax.jit(self._steps), jax.jit(self._begin)

    def begin(self) -> State:
        fresh: State = self._fresh(self.networks.begin(self._seed))
        return fresh

    def _begin(self, weights: Weights) -> State:
        nothing_G_B = jnp.zeros((self.settings.answers, self.settings.pictures))
        none, zero = nothing_G_B.astype(jnp.int32), jnp.zeros(())
        return State(weights, self._optimiser.init(weights), zero, Drawn(none, nothing_G_B, nothing_G_B, zero, zero))

    @property
    def batches_an_epoch(self) -> int:
        return len(self._whole.labels_N) // self.settings.pictures

    def take(self, state: State, first: int, rates: Sequence[float]) -> tuple[State, dict[str, Any]]:
        """The steps from number `first` on, one for each rate, and every number that each tells of itself."""
        numbers = range(first, first + len(rates))
        steps = _Step(jnp.asarray(numbers), jnp.asarray(self.places(numbers)), jnp.asarray(rates, jnp.float32))
        end, told = self._scan(state, steps, self._whole)
        return end, told

    def places(self, steps: Sequence[int]) -> "np.ndarray[Any, Any]":
        """Which pictures each step takes: each epoch has them in an order of its own."""
        orders: dict[int, Any] = {}
        places = []
        for step in steps:
            epoch, batch = divmod(step // self.settings.rounds, self.batches_an_epoch)
            if epoch not in orders:
                orders[epoch] = np.random.default_rng((self._seed, epoch)).permutation(len(self._whole.labels_N))
            places.append(orders[epoch][batch * self.settings.pictures : (batch + 1) * self.settings.pictures])
        return np.asarray(places, np.int32)

    # --- within the scan

    def _steps(self, state: State, steps: _Step, whole: _Whole) -> Any:
        def step(state: State, given: _Step) -> tuple[State, dict[str, jax.Array]]:
            pixels_B, labels_B = whole.pixels_N[given.places_B], whole.labels_N[given.places_B]
            key = jax.random.fold_in(whole.key, given.number // self.settings.rounds)
            return self._step(state, given, key, pixels_B, labels_B, whole.reference)

        return jax.lax.scan(step, state, steps)

    def _step(
        self,
        state: State,
        given: _Step,
        key: jax.Array,
        pixels_B: jax.Array,
        labels_B: jax.Array,
        reference: Weights | None,
    ) -> tuple[State, dict[str, jax.Array]]:
        draw = partial(self._draw, state, key, pixels_B, labels_B)
        if self.settings.rounds == 1:
            average, drawn = draw()
        else:
            is_new = given.number % self.settings.rounds == 0
            average, drawn = jax.lax.cond(is_new, draw, lambda: (state.average, state.drawn))
        rewards_G_B = _rewards(drawn.answers_G_B, labels_B)
        slope = jax.value_and_grad(self._loss, has_aux=True)
        (_, told), gradient = slope(state.weights, drawn, pixels_B, rewards_G_B, reference)
        moves, optimiser = self._optimiser.update(gradient, state.optimiser, state.weights)
        weights = jax.tree.map(lambda weight, move: weight - given.rate * move, state.weights, moves)
        told |= {"grad_norm": optax.tree.norm(gradient), **self._spread(rewards_G_B, drawn)}
        return State(weights, optimiser, average, drawn), told

    def _draw(self, state: State, key: jax.Array, pixels_B: jax.Array, labels_B: jax.Array) -> tuple[jax.Array, Drawn]:
        """G answers to each picture by chance, and how much better each is than the baseline."""
        settings = self.settings
        log_probs_B_10 = self._log_probs(state.weights, pixels_B)
        answers_G_B = _sampled(key, jnp.exp(log_probs_B_10), settings.answers)
        rewards_G_B = _rewards(answers_G_B, labels_B)
        average = settings.baseline_decay * state.average + (1 - settings.baseline_decay) * rewards_G_B.mean()
        baseline_B = {
            "prompt": lambda: rewards_G_B.mean(axis=0),
            "batch": lambda: rewards_G_B.mean(),
            "moving_average": lambda: average,
            "critic": lambda: self.networks.values(state.weights, pixels_B),
        }[settings.baseline]()
        advantages_G_B = rewards_G_B - baseline_B
        if settings.scale != "none":
            by_picture = settings.is_group_a_picture and settings.scale == "group"
            advantages_G_B = _normalised(advantages_G_B, axis=0 if by_picture else None)
        chance_B = jnp.exp(_of_answers(log_probs_B_10, labels_B[None]))[0]
        error = jnp.sqrt(((baseline_B - chance_B) ** 2).mean())
        expected = jnp.sqrt((chance_B * (1 - chance_B)).mean() / settings.answers)
        log_probs_G_B = _of_answers(log_probs_B_10, answers_G_B)
        return average, Drawn(answers_G_B, log_probs_G_B, advantages_G_B, error, expected)

    def _loss(
        self,
        weights: Weights,
        drawn: Drawn,
        pixels_B: jax.Array,
        rewards_G_B: jax.Array,
        reference: Weights | None = None,
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        settings = self.settings
        log_probs_B_10 = self._log_probs(weights, pixels_B)
        log_probs_G_B = _of_answers(log_probs_B_10, drawn.answers_G_B)
        ratio_G_B = jnp.exp(log_probs_G_B - drawn.log_probs_G_B)
        clipped_G_B = jnp.clip(ratio_G_B, 1 - settings.clip_low, 1 + settings.clip_high)
        loss = -jnp.minimum(ratio_G_B * drawn.advantages_G_B, clipped_G_B * drawn.advantages_G_B).mean()
        told = {"entropy": -(jnp.exp(log_probs_B_10) * log_probs_B_10).sum(axis=-1).mean()}
        if reference is not None:
            away_G_B = _of_answers(self._log_probs(reference, pixels_B), drawn.answers_G_B) - log_probs_G_B
            told["kl"] = (jnp.exp(away_G_B) - away_G_B - 1).mean()  # k3, as on the other engines
            loss += settings.pref_beta * told["kl"]
        if settings.has_critic:
            told["value_loss"] = ((self.networks.values(weights, pixels_B) - rewards_G_B) ** 2).mean()
            loss += told["value_loss"]  # the networks share no weight, so it moves the critic alone
        return loss, told | {"loss": loss}

    def _log_probs(self, weights: Weights, pixels_B: jax.Array) -> jax.Array:
        return jax.nn.log_softmax(self.networks.logits(weights, pixels_B) / self.settings.temperature)

    def _spread(self, rewards_G_B: jax.Array, drawn: Drawn) -> dict[str, jax.Array]:
        groups = 0 if self.settings.is_group_a_picture else None
        deviation = rewards_G_B.std(axis=groups, ddof=1)
        return {
            "reward": rewards_G_B.mean(),
            "reward_std": deviation.mean(),
            "zero_std_share": (deviation == 0).mean(),
            "advantage_std": (rewards_G_B - rewards_G_B.mean(axis=groups)).std(),
            "baseline_error": drawn.baseline_error,
            "baseline_error_expected": drawn.expected_error,
        }


def _rewards(answers_G_B: jax.Array, labels_B: jax.Array) -> jax.Array:
    """1 for the right digit, 0 for any other."""
    return (answers_G_B == labels_B).astype(jnp.float32)


def _normalised(values: jax.Array, axis: int | None) -> jax.Array:
    """As PPO has it. A group's differences from its own mean are centred already; a critic's, at first, are not."""
    return (values - values.mean(axis=axis)) / (values.std(axis=axis, ddof=1) + STD_EPSILON)


def _sampled(key: jax.Array, probs_B_10: jax.Array, count: int) -> jax.Array:
    """So many answers from each distribution, by one random number each; a Gumbel draw takes ten."""
    chance_G_B = jax.random.uniform(key, (count, len(probs_B_10)))
    below_B_9 = jnp.cumsum(probs_B_10, axis=-1)[:, :-1]
    return (chance_G_B[..., None] >= below_B_9).sum(axis=-1)


def _of_answers(log_probs_B_10: jax.Array, answers_G_B: jax.Array) -> jax.Array:
    """The log-probability of each answer."""
    return jnp.take_along_axis(log_probs_B_10.T, answers_G_B, axis=0)


def _optimiser(settings: Settings) -> optax.GradientTransformation:
    """AdamW but for the learning rate, which each step is given."""
    parts = [
        optax.scale_by_adam(settings.adam_beta1, settings.adam_beta2, settings.adam_epsilon),
        optax.add_decayed_weights(
            settings.weight_decay, mask=lambda weights: jax.tree.map(lambda w: w.ndim > 1, weights)
        ),
    ]
    if settings.max_grad_norm:
        parts.insert(0, optax.clip_by_global_norm(settings.max_grad_norm))
    return optax.chain(*parts)
