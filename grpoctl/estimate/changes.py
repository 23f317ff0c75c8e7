"""Which smallest changes of a recipe make it fit?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from grpoctl.recipe.schema import Recipe

_WAYS = 3  # to show


@dataclass(frozen=True)
class Change:
    """Keys and the values that they get."""

    values: dict[str, Any]

    def __str__(self) -> str:
        return ", ".join(f"{key}={_in_yaml(value)}" for key, value in self.values.items())


def ways_to_fit(recipe: Recipe, fits: Callable[[Recipe], bool], *, on_cpu: bool, devices: int = 1) -> list[Change]:
    """Up to three, each as small as possible: one key where that is enough, else several."""
    single = list(_changes(recipe, on_cpu=on_cpu, devices=devices))
    for count in (1, 2, 3):
        found: list[Change] = []
        for group in combinations(single, count):
            keys = [key for change in group for key in change.values]
            # A larger change of the same keys says nothing new.
            if len(set(keys)) < len(keys) or any(set(way.values) == set(keys) for way in found):
                continue
            together = Change({key: value for change in group for key, value in change.values.items()})
            if fits(recipe.model_copy(update=together.values)):
                found.append(together)
            if len(found) == _WAYS:
                break
        if found:
            return found
    return []


def _changes(recipe: Recipe, *, on_cpu: bool, devices: int) -> Iterator[Change]:
    """From those that cost nothing but time to those that change what is learnt."""
    trl, full = recipe.engine == "trl", recipe.finetuning_type == "full"
    if recipe.disable_gradient_checkpointing or recipe.remat in ("none", "minimal"):
        yield Change({"remat": "full"} if recipe.remat and not trl else {"disable_gradient_checkpointing": False})
    if trl and not on_cpu and recipe.optim == "adamw_torch":
        yield Change({"optim": "adamw_torch_fused"})
    prompts = recipe.per_device_train_batch_size
    for divisor in (2, 4, 8, prompts):
        # The same step in smaller parts.
        if prompts % divisor == 0 and prompts >= divisor > 1:
            smaller = {"per_device_train_batch_size": prompts // divisor}
            yield Change(smaller | {"gradient_accumulation_steps": recipe.gradient_accumulation_steps * divisor})
    if recipe.use_vllm and recipe.vllm_mode == "colocate" and not recipe.vllm_enable_sleep_mode and trl:
        yield Change({"vllm_enable_sleep_mode": True})
    if not recipe.bf16 and not recipe.fp16 and not on_cpu:
        yield Change({"bf16": True})
    if trl and not on_cpu and recipe.deepspeed is None and max(devices, recipe.nproc_per_node) > 1:
        yield Change({"deepspeed": "z3", "nproc_per_node": max(devices, recipe.nproc_per_node)})
    if full and recipe.pref_beta:
        yield Change({"pref_beta": 0.0})
    if full and recipe.quantization_bit is None:
        yield Change({"finetuning_type": "lora"})
    if not full and recipe.quantization_bit is None and not on_cpu:
        yield Change({"quantization_bit": 4})
    if full and trl and not on_cpu:
        yield Change({"optim": "adamw_8bit"})
    accumulation = recipe.gradient_accumulation_steps
    for divisor in (2, 4, 8):  # fewer completions are drawn at a time
        if accumulation % divisor == 0 and accumulation >= divisor:
            yield Change({"gradient_accumulation_steps": accumulation // divisor})
    for key in ("max_completion_length", "num_generations"):
        for divisor in (2, 4):
            value = getattr(recipe, key) or 0
            if value // divisor >= (2 if key == "num_generations" else 64):
                yield Change({key: value // divisor})
    if trl and full and not on_cpu and recipe.deepspeed != "z3-offload":
        yield Change({"deepspeed": "z3-offload"})


def _in_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
