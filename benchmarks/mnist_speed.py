"""How fast is an epoch of digits as one compiled scan, beside an eager loop of the document's kind?

    python benchmarks/mnist_speed.py [--rounds 5] [--pictures 60000]

The document's own settings on generated pictures. The eager loop is written as the document writes it: answers are
drawn, rewarded and learned from batch by batch, each operation on its own. Both in one process, in turn; the ratio is
the median over the rounds. The scan's share is of the rate at which this machine multiplies large matrices.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from grpoctl.engines.mlp.learner import Learner
from grpoctl.engines.mlp.translate import settings_of
from grpoctl.recipe.load import load_recipe

CLIP = 0.2


class Actor(nnx.Module):
    """The document's network."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.fc1 = nnx.Linear(784, 128, rngs=rngs)
        self.fc2 = nnx.Linear(128, 128, rngs=rngs)
        self.fc_out = nnx.Linear(128, 10, rngs=rngs)

    def __call__(self, pictures: jax.Array) -> jax.Array:
        hidden = nnx.relu(self.fc2(nnx.relu(self.fc1(pictures))))
        logits: jax.Array = self.fc_out(hidden)
        return logits


def log_prob(logits: jax.Array, answers: jax.Array) -> jax.Array:
    return jnp.take_along_axis(jax.nn.log_softmax(logits), answers[:, None], axis=1)[:, 0]


class EagerLoop:
    """The document's four phases, for batch after batch."""

    def __init__(self, pixels: Any, labels: Any, pictures: int, rate: float) -> None:
        self.actor = Actor(rngs=nnx.Rngs(0))
        self.optimiser = nnx.Optimizer(self.actor, optax.adam(rate), wrt=nnx.Param)
        self.numbers, self.labels, self.pictures = pixels.astype(np.float32) / 255, labels, pictures
        self.key = jax.random.key(0)

    def epoch(self) -> float:
        order = np.random.default_rng(0).permutation(len(self.labels))
        reward = 0.0
        for start in range(0, len(order) - self.pictures + 1, self.pictures):
            places = order[start : start + self.pictures]
            reward = self.batch(jnp.asarray(self.numbers[places]), jnp.asarray(self.labels[places]))
        return reward

    def batch(self, pictures: jax.Array, labels: jax.Array) -> float:
        self.key, key = jax.random.split(self.key)
        logits = self.actor(pictures)
        answers = jax.random.categorical(key, logits)
        old = log_prob(logits, answers)
        rewards = jnp.where(answers == labels, 1.0, 0.0)
        advantages = rewards - jnp.mean(rewards)
        advantages = (advantages - jnp.mean(advantages)) / (jnp.std(advantages) + 1e-8)

        def loss(actor: Actor) -> jax.Array:
            ratio = jnp.exp(log_prob(actor(pictures), answers) - old)
            return -jnp.mean(jnp.minimum(advantages * ratio, advantages * jnp.clip(ratio, 1 - CLIP, 1 + CLIP)))

        _, gradient = nnx.value_and_grad(loss)(self.actor)
        self.optimiser.update(self.actor, gradient)
        return float(jnp.mean(rewards))


class OneScan:
    """grpoctl's learner, an epoch at a time."""

    def __init__(self, pixels: Any, labels: Any) -> None:
        recipe = load_recipe("mnist_document")
        self.learner = Learner(settings_of(recipe), recipe.seed, pixels, labels)
        self.state, self.done = self.learner.begin(), 0
        self.rates = [recipe.learning_rate] * self.learner.batches_an_epoch

    def epoch(self) -> float:
        self.state, told = self.learner.take(self.state, self.done, self.rates)
        self.done += len(self.rates)
        return float(told["reward"][-1])


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def multiply_rate(side: int = 2048, rounds: int = 5) -> float:
    """The most floating-point operations a second of a large float32 product."""
    one = jnp.asarray(np.random.default_rng(0).random((side, side), np.float32))
    multiply = jax.jit(lambda left, right: left @ right)
    multiply(one, one).block_until_ready()
    return 2 * side**3 / min(seconds(lambda: multiply(one, one).block_until_ready()) for _ in range(rounds))


def operations(pictures: int) -> int:
    """Of a step's products: one forwards, and backwards one for the weights and, behind the first layer, the values."""
    first, rest = 784 * 128, 128 * 128 + 128 * 10
    return 2 * pictures * (2 * first + 3 * rest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=60_000)
    args = parser.parse_args()
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 10, args.pictures).astype(np.int32)
    prototypes = chance.random((10, 784)) * 160
    pixels = (prototypes[labels] + chance.random((args.pictures, 784)) * 95).astype(np.uint8)
    scan = OneScan(pixels, labels)
    eager = EagerLoop(pixels, labels, scan.learner.settings.pictures, scan.rates[0])
    compiling = seconds(scan.epoch)
    eager.batch(jnp.asarray(eager.numbers[:1024]), jnp.asarray(labels[:1024]))
    rate = multiply_rate()
    pairs = [(seconds(scan.epoch), seconds(eager.epoch)) for _ in range(args.rounds)]
    rate = max(rate, multiply_rate())
    scans = [ours for ours, _ in pairs]
    reached = operations(scan.learner.settings.pictures) * len(scan.rates) / min(scans)
    print(
        json.dumps(
            {
                "pictures": args.pictures,
                "updates_an_epoch": len(scan.rates),
                "first_epoch_s": round(compiling, 2),
                "scan_s": round(statistics.median(scans), 3),
                "eager_s": round(statistics.median(theirs for _, theirs in pairs), 3),
                "ratio": round(statistics.median(theirs / ours for ours, theirs in pairs), 2),
                "multiply_gflops": round(rate / 1e9, 1),
                "share_of_it": round(reached / rate, 3),
                "load": [round(each, 1) for each in os.getloadavg()],
            }
        )
    )


if __name__ == "__main__":
    main()
