"""Do the engine, the model and the devices go together?"""

from collections.abc import Iterator

from grpoctl.recipe.rules.base import Clash, rule
from grpoctl.recipe.schema import Recipe, engine_of, is_maxtext_checkpoint


@rule
def a_run_needs_model_data_and_rewards(recipe: Recipe) -> Iterator[Clash]:
    engine = engine_of(recipe)
    if engine != "mlp" and recipe.model_name_or_path is None:
        yield Clash("model_name_or_path", "is missing", "name a model, such as tiny or Qwen/Qwen3-0.6B")
    if recipe.is_export:
        return
    if not recipe.dataset:
        yield Clash("dataset", "is missing", "name a data set, such as tiny_arithmetic")
    if engine != "mlp" and not recipe.reward_funcs:
        yield Clash("reward_funcs", "is missing", "name what to reward, such as accuracy,format")


@rule
def the_mlp_engine_and_its_keys_go_together(recipe: Recipe) -> Iterator[Clash]:
    engine = engine_of(recipe)
    if recipe.stage == "ppo" and engine != "mlp":
        yield Clash("stage", "is ppo, which only engine mlp has, for comparison", "use stage: grpo", ("engine",))
    if engine == "mlp" and recipe.hidden_sizes is None:
        yield Clash("engine", "is mlp without hidden_sizes", "add hidden_sizes: [128, 128]", ("hidden_sizes",))
    if engine != "mlp" and recipe.hidden_sizes is not None:
        yield Clash(
            "hidden_sizes",
            f"belongs to engine mlp, and engine is {engine}",
            "take one of them out",
            ("engine",),
        )


@rule
def the_mlp_engine_has_no_language_model(recipe: Recipe) -> Iterator[Clash]:
    if engine_of(recipe) != "mlp":
        return
    for key in ("model_name_or_path", "reward_funcs", "finetuning_type"):
        if key in recipe.model_fields_set:
            problem = "does nothing with engine mlp, which hidden_sizes asks for"
            yield Clash(key, problem, "take it out", ("hidden_sizes",), warning=True)


@rule
def an_answer_has_others_to_be_compared_with(recipe: Recipe) -> Iterator[Clash]:
    alone = recipe.stage == "grpo" and recipe.group == "prompt" and recipe.baseline == "mean"
    if recipe.num_generations == 1 and alone:
        yield Clash(
            "num_generations", "is 1", "use 2 or more (8 to 16 are usual; a group of one has no advantage)", ("stage",)
        )
    if recipe.baseline == "moving_average" and recipe.stage == "ppo":
        yield Clash("baseline", "is moving_average, and stage: ppo learns its own", "keep one of them", ("stage",))
    if recipe.baseline_decay != Recipe.model_fields["baseline_decay"].default and recipe.baseline == "mean":
        fix = "add baseline: moving_average, or take it out"
        yield Clash("baseline_decay", "does nothing with baseline: mean", fix, ("baseline",), warning=True)


@rule
def a_maxtext_checkpoint_needs_names(recipe: Recipe) -> Iterator[Clash]:
    if not is_maxtext_checkpoint(recipe.model_name_or_path):
        return
    engine = engine_of(recipe)
    if engine != "maxtext":
        yield Clash(
            "engine",
            f"is {engine}, which cannot read a MaxText checkpoint",
            "use engine: maxtext",
            ("model_name_or_path",),
        )
        return
    if recipe.tokenizer_name_or_path is None:
        yield Clash(
            "tokenizer_name_or_path",
            "is missing, and a MaxText checkpoint has no tokenizer",
            "name one, such as Qwen/Qwen3-8B",
            ("model_name_or_path",),
        )
    if recipe.maxtext_model is None:
        yield Clash(
            "maxtext_model",
            "is missing, and a MaxText checkpoint does not say what model it is",
            "name it, such as qwen3-8b",
            ("model_name_or_path",),
        )


# Keys that only some engines can honour: a key given to another engine would do nothing, so it is refused.
_ONLY = {
    "trl": (
        "nproc_per_node",
        "nnodes",
        "node_rank",
        "master_addr",
        "master_port",
        "num_threads",
        "deepspeed",
        "fsdp",
        "flash_attn",
        "quantization_method",
        "quantization_type",
        "double_quantization",
        "use_dora",
        "vllm_mode",
        "vllm_server_host",
        "vllm_server_port",
        "vllm_server_timeout",
        "vllm_enforce_eager",
        "vllm_enable_sleep_mode",
        "fp16",
        "min_p",
    ),
    "trl, tunix, maxtext": ("ddp_timeout",),
    "tunix, maxtext": (
        "mesh",
        "rollout_mesh",
        "remat",
        "skip_jax_distributed_system",
        "profile_steps",
    ),
    "maxtext": ("attention", "maxtext_model", "remat_offload"),
    "mlp": ("group", "baseline", "baseline_decay"),
}


@rule
def keys_of_another_engine_are_refused(recipe: Recipe) -> Iterator[Clash]:
    engine = engine_of(recipe)
    for engines, keys in _ONLY.items():
        if engine in engines.split(", "):
            continue
        for key in keys:
            if key in recipe.model_fields_set and getattr(recipe, key) != Recipe.model_fields[key].default:
                yield Clash(
                    key,
                    f"belongs to engine {engines.replace(', ', ' or ')}, and engine is {engine}",
                    "take it out",
                    ("engine",),
                )


@rule
def several_machines_find_each_other_and_the_run(recipe: Recipe) -> Iterator[Clash]:
    if engine_of(recipe) != "trl":
        return
    if recipe.node_rank >= recipe.nnodes:
        fix = f"use 0 to {recipe.nnodes - 1}" if recipe.nnodes > 1 else "take it out, or say how many in nnodes"
        yield Clash("node_rank", f"is {recipe.node_rank}, and nnodes is {recipe.nnodes}", fix, ("nnodes",))
    if recipe.nnodes == 1:
        return
    if recipe.master_addr is None:
        yield Clash("master_addr", f"is missing, and nnodes is {recipe.nnodes}", "name machine 0", ("nnodes",))
    if recipe.output_dir is None:
        fix = "name a folder that all machines see"
        yield Clash("output_dir", f"is missing, and nnodes is {recipe.nnodes}", fix, ("nnodes",))


@rule
def the_state_is_split_in_one_way(recipe: Recipe) -> Iterator[Clash]:
    if engine_of(recipe) != "trl" or recipe.fsdp is None:
        return
    if recipe.deepspeed is not None:
        yield Clash("fsdp", f"is {recipe.fsdp}, and deepspeed is {recipe.deepspeed}", "keep one", ("deepspeed",))
    if recipe.quantization_bit is not None:
        said = f"is {recipe.fsdp}, and quantised weights cannot be split"
        yield Clash("fsdp", said, "take one of them out", ("quantization_bit",))


# The first steps compile, and a trace of those would hold little else.
_NOT_TRACED = 2


@rule
def there_are_steps_to_trace(recipe: Recipe) -> Iterator[Clash]:
    if recipe.profile_steps and 0 < recipe.max_steps < recipe.profile_steps + _NOT_TRACED:
        traced = max(0, recipe.max_steps - _NOT_TRACED)
        said = f"is {recipe.profile_steps}, and of {recipe.max_steps} steps {traced} come behind the two that compile"
        yield Clash("profile_steps", said, "give more steps, or trace fewer", ("max_steps",), warning=True)


@rule
def remat_is_said_once(recipe: Recipe) -> Iterator[Clash]:
    engine = engine_of(recipe)  # any other refuses them already
    twice = recipe.disable_gradient_checkpointing and recipe.remat not in (None, "none")
    if twice and engine in ("tunix", "maxtext"):
        yield Clash(
            "remat",
            f"is {recipe.remat}, and disable_gradient_checkpointing is true",
            "keep one of them",
            ("disable_gradient_checkpointing", "engine"),
        )
    if recipe.remat_offload and recipe.remat != "custom" and engine == "maxtext":
        yield Clash("remat_offload", "does nothing without remat: custom", "add that, or take it out", ("remat",))
