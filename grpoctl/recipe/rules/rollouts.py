"""Can the completions of a group differ, and do they fit?"""

from collections.abc import Iterator

from grpoctl.recipe.rules.base import Clash, rule
from grpoctl.recipe.schema import Recipe, engine_of


@rule
def answers_of_a_group_must_differ(recipe: Recipe) -> Iterator[Clash]:
    if not recipe.do_sample:
        yield Clash("do_sample", "is false, so all answers of a group would be the same", "take it out")
    if recipe.top_k == 1:
        yield Clash(
            "top_k",
            "is 1, so all answers of a group would be the same",
            "use 0 for all tokens, or 20 or more",
        )
    if recipe.min_p is not None and recipe.min_p > 0.9:
        yield Clash(
            "min_p",
            f"is {recipe.min_p:g}, so most answers of a group will be the same",
            "use 0.1 or less",
            warning=True,
        )
    if recipe.top_p < 0.05:
        yield Clash(
            "top_p", f"is {recipe.top_p:g}, so most answers of a group will be the same", "use 0.9 to 1", warning=True
        )
    if recipe.temperature < 0.1:
        yield Clash(
            "temperature",
            f"is {recipe.temperature:g}, so most answers of a group will be the same",
            "use 0.7 or more",
            warning=True,
        )


@rule
def one_length_has_one_value(recipe: Recipe) -> Iterator[Clash]:
    length, alias = recipe.max_completion_length, recipe.max_new_tokens
    if length is not None and alias is not None and length != alias:
        yield Clash(
            "max_new_tokens",
            f"is {alias}, and max_completion_length, the same thing, is {length}",
            "keep one of them",
            ("max_completion_length",),
        )


@rule
def vllm_keys_need_vllm(recipe: Recipe) -> Iterator[Clash]:
    if not recipe.use_vllm:
        for key in sorted(recipe.model_fields_set):
            if key.startswith("vllm_"):
                yield Clash(
                    key,
                    "does nothing without use_vllm: true",
                    "add that, or take it out",
                    ("use_vllm",),
                    warning=True,
                )
        return
    needed = (recipe.resolved().max_prompt_length or 0) + (recipe.resolved().max_completion_length or 0)
    if (
        engine_of(recipe) == "trl"
        and recipe.vllm_mode == "colocate"
        and recipe.nproc_per_node % recipe.vllm_tensor_parallel_size
    ):
        yield Clash(
            "vllm_tensor_parallel_size",
            f"is {recipe.vllm_tensor_parallel_size}, which does not divide nproc_per_node ({recipe.nproc_per_node})",
            "use a divisor of it, or vllm_mode: server",
            ("nproc_per_node", "vllm_mode"),
        )
    if recipe.vllm_maxlen is not None and recipe.vllm_maxlen < needed:
        yield Clash(
            "vllm_maxlen",
            f"is {recipe.vllm_maxlen}, and prompt and completion may take {needed}",
            f"use {needed} or more",
            ("max_prompt_length", "max_completion_length", "cutoff_len"),
        )


@rule
def split_weights_draw_slowly(recipe: Recipe) -> Iterator[Clash]:
    if engine_of(recipe) == "trl" and recipe.deepspeed in ("z3", "z3-offload") and not recipe.use_vllm:
        yield Clash(
            "deepspeed",
            f"is {recipe.deepspeed} without vLLM, so each rollout gathers all weights on each device, which is slow",
            "add use_vllm: true, or use z2",
            ("use_vllm",),
            warning=True,
        )
