"""What memory and time does a network on digits take (engine mlp), and how much more with PPO's critic?"""

from itertools import pairwise

from grpoctl.estimate.devices import Device
from grpoctl.estimate.memory import PARTS, Memory
from grpoctl.recipe.schema import Recipe

_PIXELS, _DIGITS = 784, 10
_ADAM = 8  # bytes of its two moments
# Of the rate at which the machine multiplies, what a step's products reach: share_of_it of benchmarks/mnist_speed.py,
# whose steps have one answer to each picture. Each more takes so long, by mnist_grpo's 8 on two cores (docs/log.md).
_SHARE = 0.72
_ANSWER_S = 0.5e-6


def parameters(recipe: Recipe, outputs: int = _DIGITS) -> int:
    """Weights and biases of the network; a critic has one output."""
    return sum(first * second + second for first, second in pairwise(_sizes(recipe, outputs)))


def network_memory(recipe: Recipe) -> Memory:
    """In float32, with stage ppo's critic; JAX and the pictures themselves are not counted."""
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
    critic = {"critic": critic_bytes(recipe)} if recipe.stage == "ppo" else {}
    return Memory({"update": parts | critic})


def critic_bytes(recipe: Recipe) -> float:
    """What PPO's critic adds: weights, gradients and Adam."""
    return float((4 + 4 + _ADAM) * parameters(recipe, outputs=1))


def step_s(recipe: Recipe, device: Device) -> float | None:
    """Seconds of a step on a CPU whose rate was measured; a network this small does not fill another device."""
    if not device.measured or device.tflops is None:
        return None
    pictures = recipe.per_device_train_batch_size * recipe.gradient_accumulation_steps
    networks = (_DIGITS, 1) if recipe.stage == "ppo" else (_DIGITS,)
    weights = sum(first * second for outputs in networks for first, second in pairwise(_sizes(recipe, outputs)))
    # Two operations for each weight and picture: forwards, backwards for the weights, and behind the first layer for
    # the values. The answers are drawn from the same forward pass.
    behind = weights - len(networks) * _PIXELS * (recipe.hidden_sizes or (0,))[0]
    operations = 2 * pictures * (2 * weights + behind + (weights if recipe.pref_beta else 0))
    more_answers = pictures * (recipe.num_generations - 1) / recipe.num_iterations
    return operations / (_SHARE * device.tflops * 1e12) + more_answers * _ANSWER_S


def _sizes(recipe: Recipe, outputs: int) -> tuple[int, ...]:
    return _PIXELS, *(recipe.hidden_sizes or ()), outputs
