"""On which steps are the engines' losses compared?

Made-up ones, drawn from a seed: completions of different lengths, ratios that the clip holds and ratios that it leaves.
"""

from collections.abc import Iterator
from typing import Any, get_args

import numpy as np

from grpoctl.advantage import advantages
from grpoctl.parity.given import Array, Case
from grpoctl.recipe.schema import Recipe

PROMPTS, GENERATIONS, WIDTH, VOCABULARY = 2, 4, 6, 7
_ROWS = PROMPTS * GENERATIONS
_LENGTHS = (6, 3, 2, 5, 1, 6, 4, 6)
_REWARDS = ((1.0, 0.0, 0.25, 0.0), (1.5, 1.0, 0.0, 1.0))
_LEFT_OUT = (0, 5)  # rows that were cut off
_SPREAD_OF_RATIOS = 0.25  # of their logarithms: half of them are clipped

# What concerns devices and sinks has no part in a loss, and need not be on this machine.
_BARE = {
    "bf16": False, "fp16": False, "deepspeed": None, "fsdp": None, "use_vllm": False, "nproc_per_node": 1, "nnodes": 1,
    "report_to": ("none",),
    "quantization_bit": None, "disable_gradient_checkpointing": True, "optim": "adamw_torch",
}  # fmt: skip

# What every loss_type is tried with, beside the plain step.
_KL = {"pref_beta": 0.08}
_CLIP = {"num_iterations": 2, "epsilon": 0.2, "epsilon_high": 0.28}
_CUT = {"mask_truncated_completions": True}
_TWO = {"gradient_accumulation_steps": 2}
_VARIANTS: dict[str, dict[str, Any]] = {
    "": {},
    "KL": _KL,
    "clip-higher": _CLIP,
    "rows left out": _CUT,
    "two micro-batches": _TWO,
    "all of these, temperature 0.7": {**_KL, **_CLIP, **_CUT, **_TWO, "temperature": 0.7},
}


def cases_of(recipe: Recipe) -> Iterator[Case]:
    """A step under the recipe as it stands, and each loss_type with and without what changes a loss."""
    clipped = {} if recipe.num_iterations > 1 else {"num_iterations": 2}
    yield _case("the recipe", recipe, clipped)
    plain = {"pref_beta": 0.0, "num_iterations": 1, "mask_truncated_completions": False, "temperature": 1.0}
    plain |= {"gradient_accumulation_steps": 1}
    for loss_type in get_args(Recipe.model_fields["loss_type"].annotation):
        for name, changes in _VARIANTS.items():
            label = f"{loss_type}, {name}" if name else loss_type
            yield _case(label, recipe, {**plain, "loss_type": loss_type, **changes})


def _case(name: str, recipe: Recipe, changes: dict[str, Any]) -> Case:
    changed = recipe.model_copy(update={**_BARE, **changes})
    micro_batches = 1 if changed.gradient_accumulation_steps == 1 else 2
    sizes = {
        "num_generations": GENERATIONS,
        "per_device_train_batch_size": PROMPTS // micro_batches,
        "gradient_accumulation_steps": micro_batches,
        "max_completion_length": WIDTH,
    }
    changed = changed.model_copy(update=sizes)
    numbers = np.random.default_rng(0)
    logits = numbers.normal(size=(_ROWS, WIDTH, VOCABULARY)).astype(np.float32)
    completion_ids = numbers.integers(0, VOCABULARY, (_ROWS, WIDTH))
    of_tokens, reference = (numbers.normal(0, _SPREAD_OF_RATIOS, (_ROWS, WIDTH)) for _ in range(2))
    drawn = of_tokens + numbers.normal(0, _SPREAD_OF_RATIOS, (_ROWS, 1))  # of whole completions too, for gspo
    now = _log_probs(logits / changed.temperature, completion_ids)
    mask = np.arange(WIDTH) < np.array(_LENGTHS)[:, None]
    if changed.mask_truncated_completions:
        mask[list(_LEFT_OUT)] = False
    return Case(
        name=name,
        recipe=changed,
        logits=logits,
        completion_ids=completion_ids,
        mask=mask,
        advantages=advantages(np.array(_REWARDS), changed.scale_rewards).reshape(-1).astype(np.float32),
        old=(now + drawn).astype(np.float32) if changed.num_iterations > 1 else None,
        reference=(now + reference).astype(np.float32) if changed.pref_beta else None,
        micro_batches=micro_batches,
    )


def _log_probs(logits: Array, ids: Array) -> Array:
    normalised: Array = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return np.take_along_axis(normalised, ids[..., None], -1)[..., 0]
