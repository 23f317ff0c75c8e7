"""Do the optimiser's keys, its schedule and the run folder go together?"""

from collections.abc import Iterator

from grpoctl.recipe.keys.model import AdapterKeys
from grpoctl.recipe.rules.base import Clash, rule
from grpoctl.recipe.schema import Recipe, engine_of


@rule
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
    for key in AdapterKeys.model_fields:
        if key in recipe.model_fields_set and key != "finetuning_type":
            yield Clash(
                key, "does nothing with finetuning_type: full", "take it out", ("finetuning_type",), warning=True
            )


@rule
def the_upper_clip_is_the_wider_one(recipe: Recipe) -> Iterator[Clash]:
    if recipe.epsilon_high is not None and recipe.epsilon_high < recipe.epsilon:
        yield Clash(
            "epsilon_high",
            f"is {recipe.epsilon_high:g}, below epsilon ({recipe.epsilon:g})",
            f"use {recipe.epsilon:g} or more",
            ("epsilon",),
        )


@rule
def one_precision(recipe: Recipe) -> Iterator[Clash]:
    if recipe.bf16 and recipe.fp16:
        yield Clash("fp16", "and bf16 are both true", "keep one of them", ("bf16",))


@rule
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


@rule
def the_optimiser_is_the_engines_own(recipe: Recipe) -> Iterator[Clash]:
    engine = engine_of(recipe)
    if engine != "trl" and not recipe.optim.startswith("adamw"):
        yield Clash("optim", f"is {recipe.optim}, and engine {engine} has AdamW alone", "use adamw_torch", ("engine",))


@rule
def a_resumed_run_keeps_its_folder(recipe: Recipe) -> Iterator[Clash]:
    if recipe.resume_from_checkpoint == "latest" and recipe.output_dir is None:
        yield Clash(
            "resume_from_checkpoint",
            "is true, and there is no output_dir to look in",
            "add output_dir, or use grpoctl train --resume",
            ("output_dir",),
        )
    if recipe.resume_from_checkpoint is not None and recipe.overwrite_output_dir:
        yield Clash(
            "overwrite_output_dir",
            "is true, and resume_from_checkpoint wants what is in the folder",
            "keep one of them",
            ("resume_from_checkpoint",),
        )


@rule
def metrics_go_somewhere_or_nowhere(recipe: Recipe) -> Iterator[Clash]:
    if "none" in recipe.report_to and len(recipe.report_to) > 1:
        yield Clash("report_to", "holds none and others", "keep one of them")


# Far above these a run rarely learns; the numbers are wide enough for small models.
_USUAL_AT_MOST = {"learning_rate": 0.01, "temperature": 2.0, "pref_beta": 1.0}


@rule
def values_are_within_reason(recipe: Recipe) -> Iterator[Clash]:
    for key, high in _USUAL_AT_MOST.items():
        value = getattr(recipe, key)
        if value > high:
            yield Clash(key, f"is {value:g}, far more than is usual", f"use {high:g} or less", warning=True)


@rule
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
