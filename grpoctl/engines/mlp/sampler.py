"""Which digit does a network see in a picture, asked in one of the evaluation's modes?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from grpoctl.digits.pixels import pixels_of
from grpoctl.engines.mlp.network import MODEL, Networks, Weights, load_leaves
from grpoctl.engines.mlp.translate import settings_of
from grpoctl.recipe.keys.evaluation import EvalSampling
from grpoctl.recipe.schema import Recipe
from grpoctl.samples import Completion

Floats = NDArray[np.float64]

# Some 30 MB of pictures as numbers.
_AT_ONCE = 10_000


class DigitSampler:
    """A network as the evaluation asks it: prompts are addresses of pictures, completions digits."""

    def __init__(self, networks: Networks, weights: Weights) -> None:
        self.weights = weights
        self._logits = jax.jit(networks.logits)

    def sample(self, prompts: Sequence[str], sampling: EvalSampling, seed: int) -> list[Completion]:
        chances_N_10 = as_sampled(self.log_probs(prompts), sampling)
        drawn_N_1 = np.random.default_rng(seed).random((len(prompts), 1))
        digits = (drawn_N_1 >= chances_N_10.cumsum(axis=1)[:, :-1]).sum(axis=1)
        return [Completion(str(digit), 1, truncated=False) for digit in digits]

    def rows_at_once(self, prompts: Sequence[str]) -> int:
        return min(len(prompts), _AT_ONCE)

    def log_probs(self, prompts: Sequence[str]) -> Floats:
        """What the network makes of each picture."""
        logits: Any = self._logits(self.weights, pixels_of(prompts))
        return np.asarray(jax.nn.log_softmax(logits), np.float64)


def as_sampled(log_probs_N_10: Floats, sampling: EvalSampling) -> Floats:
    """The chance of each digit under a temperature, of the k likeliest ones, of those that make up p."""
    order = np.argsort(-log_probs_N_10, axis=1, kind="stable")
    if sampling.temperature == 0:
        chances: Floats = np.zeros_like(log_probs_N_10)
        np.put_along_axis(chances, order[:, :1], 1.0, axis=1)
        return chances
    scaled = (log_probs_N_10 - log_probs_N_10.max(axis=1, keepdims=True)) / sampling.temperature
    likeliest_first = np.take_along_axis(_shares(np.exp(scaled)), order, axis=1)
    if sampling.top_k:
        likeliest_first[:, sampling.top_k :] = 0
    # The one that reaches p is still in.
    before = likeliest_first.cumsum(axis=1) - likeliest_first
    likeliest_first[before >= sampling.top_p * likeliest_first.sum(axis=1, keepdims=True)] = 0
    chances = np.empty_like(likeliest_first)
    np.put_along_axis(chances, order, _shares(likeliest_first), axis=1)
    return chances


def _shares(values: Floats) -> Floats:
    shares: Floats = values / values.sum(axis=1, keepdims=True)
    return shares


def open_sampler(recipe: Recipe, trained: Path | None) -> DigitSampler:
    """The network of a run's folder; without one, as it was before training."""
    networks = Networks(settings_of(recipe))
    weights = networks.begin(recipe.seed)
    if trained is not None:
        weights["actor"] = load_leaves(trained / MODEL, weights["actor"])
    return DigitSampler(networks, weights)
