"""Is every key of a recipe in what Tunix, qwix and optax are told, and are these words theirs?"""

import dataclasses
import inspect
from typing import Any, get_args

import pytest

from grpoctl.engines.tunix.translate import (
    batch_settings,
    lora_settings,
    loss_settings,
    model_settings,
    optimiser_settings,
    rollout_settings,
    unsupported,
)
from grpoctl.recipe.load import load_recipe, read_recipe_text
from grpoctl.recipe.rules.engines import keys_of_another_engine_are_refused
from grpoctl.recipe.schema import Recipe
from grpoctl.schedule import rate_at

BASE = "model_name_or_path: tiny\ndataset: tiny_arithmetic\nreward_funcs: accuracy\nengine: tunix\n"

# Keys that are used, but not by translate(): each with the place that uses it.
ELSEWHERE = {
    "stage": "rules: stage ppo is for engine mlp",
    "engine": "engines.base picks it",
    "hidden_sizes": "engine mlp",
    "model_name_or_path": "model_files.find_model",
    "tokenizer_name_or_path": "model_files.find_tokenizer",
    "adapter_name_or_path": "load.load",
    "model_revision": "model_files.find_model",
    "cache_dir": "model_files.find_model",
    "trust_remote_code": "tokenizer.load_tokenizer; the models are Tunix's own",
    "quantization_method": "has one value",
    "dataloader_num_workers": "taken for LLaMA-Factory's sake: problems are in memory",
    "ddp_timeout": "engines.tunix: how long hosts wait for each other",
    "run_name": "names the run for wandb, which report_to is refused for",
    "dataset": "preflight.datasets",
    "eval_dataset": "preflight.datasets",
    "dataset_dir": "preflight.datasets",
    "val_size": "data.problems.hold_back",
    "max_samples": "data.rows",
    "mix_strategy": "data.mix",
    "template": "rules.data checks it; the tokenizer's own template renders",
    "system_prompt": "data.chat",
    "default_system": "data.chat",
    "enable_thinking": "data.chat",
    "reasoning_tag": "rewards.registry and evaluate",
    "answer_tag": "rewards.registry and evaluate",
    "max_prompt_length": "preflight.prompts leaves longer ones out",
    "cutoff_len": "resolved into max_prompt_length",
    "max_new_tokens": "resolved into max_completion_length",
    "overwrite_cache": "taken for LLaMA-Factory's sake",
    "preprocessing_num_workers": "taken for LLaMA-Factory's sake",
    "do_train": "rules.training warns",
    "do_sample": "rules.rollouts: must be true",
    "num_train_epochs": "preflight counts the steps",
    "max_steps": "preflight counts the steps",
    "output_dir": "training, where a run folder is made",
    "overwrite_output_dir": "training, where a run folder is made",
    "resume_from_checkpoint": "training, where a run goes on",
    "save_steps": "engines.tunix.train",
    "save_total_limit": "run.checkpoints.rotate",
    "save_only_model": "engines.tunix.train",
    "logging_steps": "engines.tunix.train",
    "plot_loss": "run.plots",
    "bad_rows": "preflight.datasets",
    "reward_funcs": "rewards.scoring",
    "reward_timeout_s": "rewards.scoring",
    "max_reward_failures": "rewards.scoring",
    "scale_rewards": "engines.tunix.learner, by grpoctl.advantage",
    "mask_truncated_completions": "engines.tunix.learner",
    "eval_strategy": "engines.tunix.train",
    "eval_steps": "engines.tunix.train",
    "per_device_eval_batch_size": "evaluate",
    "eval_modes": "evaluate",
    "rollout_mesh": "engines.tunix.load",
    "remat_offload": "engine maxtext; rules: belongs to remat custom",
    "profile_steps": "engines.tunix.devices",
    "longest_step_first": "engines.tunix.train",
    "export_dir": "export",
    "export_size": "export",
    "export_device": "export",
    "export_hub_model_id": "export",
}

# A recipe in which the key has an effect, where the base has none.
SURROUNDINGS: dict[str, dict[str, Any]] = {
    "warmup_ratio": {"lr_scheduler_type": "linear"},
    "warmup_steps": {"lr_scheduler_type": "linear"},
    **{f"vllm_{name}": {"use_vllm": True} for name in ("gpu_util", "maxlen", "tensor_parallel_size")},
}


def recipe(**changes: Any) -> Recipe:
    reading = read_recipe_text(BASE, "r.yaml")
    assert reading.recipe is not None
    return reading.recipe.model_copy(update=changes).resolved()


def translated(made: Recipe) -> dict[str, Any]:
    rate = rate_at(made, 100)
    return {
        "loss": loss_settings(made),
        "rollout": rollout_settings(made, 32),
        "batch": batch_settings(made),
        "optimiser": optimiser_settings(made),
        "rates": [rate(step) for step in range(100)],
        "model": model_settings(made),
        "lora": lora_settings(made),
    }


def another(name: str) -> Any:
    """A value that the key may have and that is not its default."""
    field, default = Recipe.model_fields[name], Recipe.model_fields[name].default
    if name == "report_to":
        return ("wandb",)
    if name == "optim":
        return "adafactor"
    if name == "mesh":
        return default.model_copy(update={"fsdp": 2})
    if isinstance(default, bool):
        return not default
    choices = [choice for choice in get_args(field.annotation) if not isinstance(choice, type)]
    literals = [value for choice in (choices or [field.annotation]) for value in (get_args(choice) or [choice])]
    strings = [value for value in literals if isinstance(value, str | int) and value != default]
    if strings:
        return strings[0]
    if isinstance(default, int):
        return default + 1
    if isinstance(default, float):
        return default / 2 + 0.01
    if isinstance(default, tuple):
        return ("q_proj",)
    kinds = get_args(field.annotation)
    return 7 if int in kinds else 0.5 if float in kinds else "other"


def refused(made: Recipe) -> set[str]:
    keys = {found.key for found in unsupported(made)}
    return keys | {clash.key for clash in keys_of_another_engine_are_refused(made)}


@pytest.mark.parametrize("name", sorted(Recipe.model_fields.keys() - ELSEWHERE.keys()))
def test_every_key_changes_what_the_libraries_are_told_or_is_refused(name: str) -> None:
    around = SURROUNDINGS.get(name, {})
    before, after = recipe(**around), recipe(**around, **{name: another(name)})
    assert translated(before) != translated(after) or name in refused(after)


def test_no_key_is_on_the_list_of_others_that_is_translated() -> None:
    for name in ELSEWHERE:
        assert name in Recipe.model_fields, name


def test_the_words_are_those_of_the_installed_tunix() -> None:
    pytest.importorskip("tunix")
    from tunix.rl import rl_cluster
    from tunix.rl.rollout import base_rollout

    from grpoctl.engines.tunix import lora, models, optimiser
    from grpoctl.engines.tunix.loss import GroupConfig

    def fields(kind: Any) -> set[str]:
        return {field.name for field in dataclasses.fields(kind)}

    def words(function: Any) -> set[str]:
        return set(inspect.signature(function).parameters)

    for made in (recipe(), recipe(use_vllm=True, gradient_accumulation_steps=2)):
        assert set(loss_settings(made)) <= fields(GroupConfig)
        assert set(rollout_settings(made, 32)) <= fields(base_rollout.RolloutConfig)
        assert set(batch_settings(made)) <= fields(rl_cluster.RLTrainingConfig)
    assert set(optimiser_settings(recipe())) == words(optimiser.make_optimiser)
    assert set(model_settings(recipe())) <= words(models.load_model)
    assert set(lora_settings(recipe()) or {}) <= words(lora.add_lora)


@pytest.mark.parametrize("loss_type", ["grpo", "dapo", "bnpo", "dr_grpo", "gspo"])
def test_tunix_takes_every_loss_type_of_a_recipe(loss_type: str) -> None:
    pytest.importorskip("tunix")
    from grpoctl.engines.tunix.loss import GroupConfig

    config = GroupConfig(**loss_settings(recipe(loss_type=loss_type)))
    assert (config.loss_type, config.kl_loss_mode) == (loss_type, "low_var_kl")


def test_an_upper_clip_that_is_left_out_is_the_lower_one() -> None:
    assert loss_settings(recipe(epsilon=0.1, epsilon_high=None))["epsilon_high"] == 0.1
    assert loss_settings(recipe(epsilon=0.1, epsilon_high=0.28))["epsilon_high"] == 0.28


def test_prompts_stay_prompts_and_are_counted_over_all_devices() -> None:
    mesh = recipe().mesh.model_copy(update={"fsdp": 4, "tensor": 2})
    made = recipe(per_device_train_batch_size=3, gradient_accumulation_steps=2, mesh=mesh)
    assert batch_settings(made) == {"mini_batch_size": 24, "train_micro_batch_size": 12}


def test_weights_that_are_trained_stay_in_float32() -> None:
    assert model_settings(recipe(finetuning_type="full", bf16=True))["param_dtype"] == "float32"
    assert model_settings(recipe(finetuning_type="full", bf16=True))["dtype"] == "bfloat16"
    assert model_settings(recipe(bf16=True))["param_dtype"] == "bfloat16"


def test_rank_stabilised_adapters_are_scaled_by_the_root_of_their_rank() -> None:
    plain = lora_settings(recipe(lora_rank=16, lora_alpha=32)) or {}
    stable = lora_settings(recipe(lora_rank=16, lora_alpha=32, use_rslora=True)) or {}
    assert (plain["scale"], stable["scale"]) == (2.0, 8.0)


@pytest.mark.parametrize("name", ["quickstart", "qwen3_gsm8k", "qwen3_0.6b_gsm8k"])
def test_the_shipped_recipes_for_language_models_go_to_tunix_as_they_are(name: str) -> None:
    made = load_recipe(name, ["engine=tunix"])
    assert refused(made) == set()


def test_what_tunix_cannot_do_is_refused_by_name() -> None:
    assert [found.key for found in unsupported(recipe(lora_dropout=0.1))] == ["lora_dropout"]
    assert [found.key for found in unsupported(recipe(lora_target=("all", "q_proj")))] == ["lora_target"]
    assert [found.key for found in unsupported(recipe(remat="custom"))] == ["remat"]
    # only the last of several could be trained on, and the others would have to be merged first
    assert [found.key for found in unsupported(recipe(adapter_name_or_path=("a", "b")))] == ["adapter_name_or_path"]
    assert list(unsupported(recipe())) == []
