"""How much memory does a network on digits take (engine mlp), and how much more with PPO's critic?"""

from itertools import pairwise

from grpoctl.estimate.memory import PARTS, Memory
from grpoctl.recipe.schema import Recipe

_PIXELS, _DIGITS = 784, 10
_ADAM = 8  # bytes of its two moments


def parameters(recipe: Recipe, outputs: int = _DIGITS) -> int:
    """Weights and biases of the network; a critic has one output."""
    sizes = (_PIXELS, *(recipe.hidden_sizes or ()), outputs)
    return sum(first * second + second for first, second in pairwise(sizes))


def network_memory(recipe: Recipe) -> Memory:
    """Of the actor, in float32; JAX and the pictures themselves are not counted."""
    count = parameters(recipe)
    pictures = recipe.per_device_train_batch_size * recipe.gradient_accumulation_steps
    widths = sum(recipe.hidden_sizes or ()) * 2 + _PIXELS  # a layer's output before and behind its activation
    parts = dict.fromkeys(PARTS, 0.0) | {
        "weights": 4.0 * count,
        "reference": 4.0 * count if recipe.pref_beta else 0.0,
        "gradients": 4.0 * count,
        "optimiser": float(_ADAM * count),
        "activations": 4.0 * pictures * widths,
        "logits": 4.0 * pictures * recipe.num_generations * _DIGITS,
    }
    return Memory({"update": parts})


def critic_bytes(recipe: Recipe) -> float:
    """What PPO's critic adds: weights, gradients and Adam."""
    return float((4 + 4 + _ADAM) * parameters(recipe, outputs=1))
