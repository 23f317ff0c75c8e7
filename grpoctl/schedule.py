"""What is the learning rate at a step? The schedules of transformers, for engines that have none of their own."""

import math
from collections.abc import Callable

from grpoctl.recipe.schema import Recipe

_RESTARTS, _LAST_RATE = 1, 1e-7  # what transformers takes for cosine_with_restarts and polynomial


def rate_at(recipe: Recipe, steps: int) -> Callable[[int], float]:
    """The learning rate by the number of the step, counted from 0, in a run of so many."""
    warmup = recipe.warmup_steps or math.ceil(steps * min(recipe.warmup_ratio, 1 - 1e-9))
    schedule, peak = recipe.lr_scheduler_type, recipe.learning_rate
    return lambda step: peak * rate_factor(schedule, step, warmup, steps, peak)


def rate_factor(schedule: str, step: int, warmup: int, steps: int, peak: float) -> float:
    """What the peak rate is multiplied by at a step, counted from 0."""
    if schedule == "constant":
        return 1.0
    if step < warmup:
        return step / max(1, warmup)
    if schedule == "constant_with_warmup":
        return 1.0
    if schedule == "inverse_sqrt":
        scale = warmup or 10_000
        return 1.0 / math.sqrt((step + scale - warmup) / scale)
    done = (step - warmup) / max(1, steps - warmup)
    if schedule == "linear":
        return max(0.0, 1.0 - done)
    if schedule == "cosine":
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * done)))
    if schedule == "cosine_with_restarts":
        return 0.0 if done >= 1 else max(0.0, 0.5 * (1.0 + math.cos(math.pi * ((_RESTARTS * done) % 1.0))))
    last = _LAST_RATE / peak  # polynomial
    return last if step > steps else (1.0 - last) * (1.0 - done) + last
