"""What is the network that looks at a digit, and how do its weights go to a file and come back?"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors.numpy import load_file, save_file

from grpoctl.digits.idx import PIXELS
from grpoctl.engines.mlp.translate import Settings
from grpoctl.errors import Finding, ModelError

DIGITS = 10
MODEL = "model.safetensors"

# Random numbers of one seed for different ends: the actor's start, the critic's, the answers.
ACTOR, CRITIC, ANSWERS = range(3)

Weights = dict[str, Any]  # of the networks, by what each is for


class Network(nnx.Module):
    """Layers with a ReLU between them."""

    def __init__(self, sizes: Sequence[int], *, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([nnx.Linear(before, after, rngs=rngs) for before, after in pairwise(sizes)])

    def __call__(self, values: jax.Array) -> jax.Array:
        *hidden, last = self.layers
        for layer in hidden:
            values = nnx.relu(layer(values))
        out: jax.Array = last(values)
        return out


class Networks:
    """The actor, and with PPO the critic: their shapes here, their weights wherever they are at the time."""

    def __init__(self, settings: Settings) -> None:
        self._sizes = {"actor": DIGITS} | ({"critic": 1} if settings.has_critic else {})
        self._hidden = settings.hidden_sizes
        self._begin = jax.jit(self._weights)
        self._graphs = {
            name: nnx.split(nnx.eval_shape(lambda out=out: self._made(out, 0)))[0] for name, out in self._sizes.items()
        }

    def _made(self, out: int, seed: Any) -> Network:
        return Network((PIXELS, *self._hidden, out), rngs=nnx.Rngs(seed))

    def begin(self, seed: int) -> Weights:
        """Weights before any training; the actor's are the same with a critic and without."""
        weights: Weights = self._begin(jax.random.key(seed))
        return weights

    def _weights(self, key: jax.Array) -> Weights:
        kinds = {"actor": ACTOR, "critic": CRITIC}
        return {
            name: nnx.state(self._made(out, jax.random.fold_in(key, kinds[name])), nnx.Param)
            for name, out in self._sizes.items()
        }

    def logits(self, weights: Weights, pixels_B: jax.Array) -> jax.Array:
        return self._of("actor", weights, pixels_B)

    def values(self, weights: Weights, pixels_B: jax.Array) -> jax.Array:
        """The reward that the critic expects for each picture."""
        return self._of("critic", weights, pixels_B)[:, 0]

    def _of(self, name: str, weights: Weights, pixels_B: jax.Array) -> jax.Array:
        # Bytes are kept, a quarter of what numbers take.
        network = nnx.merge(self._graphs[name], weights[name])
        out: jax.Array = network(pixels_B.astype(jnp.float32) / 255)
        return out


def count(weights: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(weights))


# --- files


def named_leaves(tree: Any) -> dict[str, Any]:
    """Every array of a tree by a name that a file can have."""
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def save_leaves(tree: Any, file: Path) -> None:
    save_file({name: np.asarray(leaf, order="C") for name, leaf in named_leaves(tree).items()}, file)


def load_leaves(file: Path, like: Any) -> Any:
    """The tree that was saved, or ModelError where it is of another shape."""
    kept = load_file(file)
    wanted = named_leaves(like)
    wrong = [name for name, leaf in wanted.items() if name not in kept or kept[name].shape != leaf.shape]
    if wrong:
        problem = f"is of other networks than the recipe's: {wrong[0]} differs"
        raise ModelError(Finding(problem, "use the hidden_sizes that it was trained with", file=str(file)))
    _, shape = jax.tree.flatten(like)
    return jax.tree.unflatten(shape, [jnp.asarray(kept[name]) for name in wanted])
