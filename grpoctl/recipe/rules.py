"""Which keys contradict each other?

Each rule reads a recipe whose keys are right one by one and yields what is wrong between them. A finding whose `key`,
or one of whose `with_keys`, was wrong itself is dropped by the loader: the first error is the one to mend.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grpoctl.errors import nearest, shown
from grpoctl.recipe.llamafactory import TEMPLATES
from grpoctl.recipe.schema import Recipe, engine_of, is_maxtext_checkpoint


@dataclass(frozen=True)
class Clash:
    """One contradiction: the key that carries it, and the others that take part."""

    key: str
    problem: str
    fix: str
    with_keys: tuple[str, ...] = ()
    warning: bool = False


Rule = Callable[[Recipe], Iterator[Clash]]
RULES: list[Rule] = []


def _rule(rule: Rule) -> Rule:
    RULES.append(rule)
    return rule


@_rule
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


@_rule
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


@_rule
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
        "deepspeed",
        "ddp_timeout",
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
    "tunix, maxtext": ("mesh", "rollout_mesh", "remat", "remat_offload"),
    "maxtext": ("attention", "maxtext_model"),
}


@_rule
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


@_rule
def full_training_has_no_adapter(recipe: Recipe) -> Iterator[Clash]:
    if recipe.finetuning_type != "full":
        return
    if recipe.quantization_bit is not None and engine_of(recipe) == "trl":
        yield Clash(
            "quantization_bit",
            "cannot go with finetuning_type: full, as quantised weights are frozen",
            "use finetuning_type: lora",
            ("finetuning_type",),
        )
    if recipe.adapter_name_or_path:
        yield Clash(
            "adapter_name_or_path",
            "cannot go with finetuning_type: full",
            "merge the adapter first, or use finetuning_type: lora",
            ("finetuning_type",),
        )
    for key in (
        "lora_rank",
        "lora_alpha",
        "lora_dropout",
        "lora_target",
        "additional_target",
        "use_rslora",
        "use_dora",
    ):
        if key in recipe.model_fields_set:
            yield Clash(
                key,
                "does nothing with finetuning_type: full",
                "take it out",
                ("finetuning_type",),
                warning=True,
            )


@_rule
def remat_is_said_once(recipe: Recipe) -> Iterator[Clash]:
    if recipe.disable_gradient_checkpointing and recipe.remat not in (None, "none"):
        yield Clash(
            "remat",
            f"is {recipe.remat}, and disable_gradient_checkpointing is true",
            "keep one of them",
            ("disable_gradient_checkpointing", "engine"),
        )
    if recipe.remat_offload and recipe.remat != "custom":
        yield Clash("remat_offload", "does nothing without remat: custom", "add that, or take it out", ("remat",))


@_rule
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


@_rule
def the_upper_clip_is_the_wider_one(recipe: Recipe) -> Iterator[Clash]:
    if recipe.epsilon_high is not None and recipe.epsilon_high < recipe.epsilon:
        yield Clash(
            "epsilon_high",
            f"is {recipe.epsilon_high:g}, below epsilon ({recipe.epsilon:g})",
            f"use {recipe.epsilon:g} or more",
            ("epsilon",),
        )


@_rule
def one_length_has_one_value(recipe: Recipe) -> Iterator[Clash]:
    length, alias = recipe.max_completion_length, recipe.max_new_tokens
    if length is not None and alias is not None and length != alias:
        yield Clash(
            "max_new_tokens",
            f"is {alias}, and max_completion_length, the same thing, is {length}",
            "keep one of them",
            ("max_completion_length",),
        )


@_rule
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
    if recipe.vllm_mode == "colocate" and recipe.nproc_per_node % recipe.vllm_tensor_parallel_size:
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


@_rule
def one_precision(recipe: Recipe) -> Iterator[Clash]:
    if recipe.bf16 and recipe.fp16:
        yield Clash("fp16", "and bf16 are both true", "keep one of them", ("bf16",))


@_rule
def one_length_of_training(recipe: Recipe) -> Iterator[Clash]:
    if recipe.max_steps == 0:
        yield Clash("max_steps", "is 0", "use 1 or more, or -1 to go by num_train_epochs")
    if recipe.warmup_ratio and recipe.warmup_steps:
        yield Clash("warmup_steps", "and warmup_ratio are both given", "keep one of them", ("warmup_ratio",))
    if 0 < recipe.max_steps < recipe.warmup_steps:
        yield Clash(
            "warmup_steps",
            f"is {recipe.warmup_steps}, above max_steps ({recipe.max_steps})",
            "use fewer",
            ("max_steps",),
        )
    if not recipe.do_train:
        yield Clash("do_train", "is false, and grpoctl train trains", "take it out, or use grpoctl eval", warning=True)


@_rule
def evaluation_has_data_and_a_rhythm(recipe: Recipe) -> Iterator[Clash]:
    if recipe.val_size >= 1 and recipe.val_size != int(recipe.val_size):
        yield Clash("val_size", f"is {recipe.val_size:g}", "use a share below 1 or a whole number of rows")
    if recipe.val_size and recipe.eval_dataset:
        yield Clash("val_size", "and eval_dataset are both given", "keep one of them", ("eval_dataset",))
    if recipe.eval_strategy != "no" and not recipe.eval_dataset and not recipe.val_size:
        yield Clash(
            "eval_strategy",
            f"is {recipe.eval_strategy}, and there is nothing to evaluate on",
            "add eval_dataset or val_size",
            ("eval_dataset", "val_size"),
        )
    if recipe.eval_strategy == "steps" and recipe.eval_steps is None:
        yield Clash("eval_steps", "is missing, and eval_strategy is steps", "say how often, such as eval_steps: 50")
    if recipe.eval_strategy != "steps" and recipe.eval_steps is not None:
        yield Clash(
            "eval_steps",
            f"does nothing with eval_strategy: {recipe.eval_strategy}",
            "use eval_strategy: steps",
            ("eval_strategy",),
            warning=True,
        )


@_rule
def a_resumed_run_keeps_its_folder(recipe: Recipe) -> Iterator[Clash]:
    if recipe.resume_from_checkpoint == "latest" and recipe.output_dir is None:
        yield Clash(
            "resume_from_checkpoint",
            "is true, and there is no output_dir to look in",
            "add output_dir, or use grpoctl train --resume",
            ("output_dir",),
        )
    if "none" in recipe.report_to and len(recipe.report_to) > 1:
        yield Clash("report_to", "holds none and others", "keep one of them")


# Far outside of these a run rarely learns; the numbers are wide enough for small models.
_USUAL = {"learning_rate": (0.0, 0.01), "temperature": (0.0, 2.0), "pref_beta": (0.0, 1.0)}


@_rule
def values_are_within_reason(recipe: Recipe) -> Iterator[Clash]:
    for key, (low, high) in _USUAL.items():
        value = getattr(recipe, key)
        if not low <= value <= high:
            yield Clash(key, f"is {value:g}, far more than is usual", f"use {high:g} or less", warning=True)


@_rule
def no_key_is_given_in_vain(recipe: Recipe) -> Iterator[Clash]:
    """Keys that another key leaves without effect."""
    given = recipe.model_fields_set
    vain = {
        "num_train_epochs": ("max_steps", recipe.max_steps > 0),
        "default_system": ("system_prompt", recipe.system_prompt is not None),
        "warmup_ratio": ("lr_scheduler_type", recipe.warmup_ratio > 0 and recipe.lr_scheduler_type == "constant"),
        "warmup_steps": ("lr_scheduler_type", recipe.warmup_steps > 0 and recipe.lr_scheduler_type == "constant"),
    }
    for key, (other, without_effect) in vain.items():
        if key in given and without_effect:
            yield Clash(
                key,
                f"does nothing beside {other}: {getattr(recipe, other)}"[:120],
                "keep one of them",
                (other,),
                warning=True,
            )
    if recipe.template is not None and recipe.template.endswith("_nothink") and "enable_thinking" not in given:
        yield Clash(
            "template",
            "asks for no thinking, and the tokenizer's own template is used",
            "add enable_thinking: false",
            warning=True,
        )
    engine = engine_of(recipe)
    for key in ("model_name_or_path", "reward_funcs", "finetuning_type"):
        if engine == "mlp" and key in given:
            yield Clash(
                key,
                "does nothing with engine mlp, which hidden_sizes asks for",
                "take it out",
                ("hidden_sizes",),
                warning=True,
            )


@_rule
def rewards_pull_once_and_each_pulls(recipe: Recipe) -> Iterator[Clash]:
    seen: set[tuple[str, str]] = set()
    for number, use in enumerate(recipe.reward_funcs):
        named = (use.use, str(use.args))
        if named in seen:
            yield Clash("reward_funcs", f"names {use.use} twice", "give it once, with a weight", warning=True)
        if use.weight == 0:
            yield Clash(
                "reward_funcs", f"gives {use.use} (number {number + 1}) the weight 0", "take it out", warning=True
            )
        seen.add(named)


@_rule
def evaluation_is_on_other_data(recipe: Recipe) -> Iterator[Clash]:
    both = set(recipe.dataset) & set(recipe.eval_dataset)
    if both:
        yield Clash(
            "eval_dataset",
            f"holds {min(both)}, which is trained on",
            "use data that is not",
            ("dataset",),
            warning=True,
        )


@_rule
def tags_differ(recipe: Recipe) -> Iterator[Clash]:
    if recipe.reasoning_tag == recipe.answer_tag:
        yield Clash("answer_tag", f"is {recipe.answer_tag}, as is reasoning_tag", "use two names", ("reasoning_tag",))


@_rule
def the_template_is_a_known_name(recipe: Recipe) -> Iterator[Clash]:
    if recipe.template is None or recipe.template in TEMPLATES:
        return
    newer = recipe.template.rpartition("_")[0] in TEMPLATES  # qwen3_5 is no misspelling of qwen3
    close = None if newer else nearest(recipe.template, TEMPLATES)
    fix = "take it out to use the tokenizer's own chat template"
    yield Clash(
        "template",
        f"is {shown(recipe.template)}, which is no template known here",
        f"use {close}, or {fix}" if close else fix,
        warning=close is None,
    )
