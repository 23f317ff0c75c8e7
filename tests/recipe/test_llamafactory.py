"""What LLaMA-Factory's users bring: each key is taken, or refused by name with what to use instead."""

from pathlib import Path

import pytest

from grpoctl.recipe.llamafactory import REFUSED, TEMPLATES
from grpoctl.recipe.load import read_recipe_text
from grpoctl.recipe.other_names import OTHER_NAMES
from grpoctl.recipe.schema import Recipe

# The names of every field of LLaMA-Factory's argument classes, early 2026.
THEIR_KEYS = (Path(__file__).parents[1] / "documents" / "llamafactory_keys.txt").read_text().split()

# COMPAT's list: taken as they are.
ACCEPTED = """
model_name_or_path adapter_name_or_path cache_dir model_revision trust_remote_code flash_attn quantization_bit
quantization_method quantization_type double_quantization disable_gradient_checkpointing finetuning_type lora_rank
lora_alpha lora_dropout lora_target additional_target use_rslora use_dora dataset eval_dataset dataset_dir template
cutoff_len max_samples val_size mix_strategy overwrite_cache preprocessing_num_workers default_system enable_thinking
do_train output_dir overwrite_output_dir per_device_train_batch_size gradient_accumulation_steps learning_rate
num_train_epochs max_steps lr_scheduler_type warmup_ratio warmup_steps weight_decay max_grad_norm optim seed bf16 fp16
logging_steps save_steps save_total_limit save_only_model eval_strategy eval_steps dataloader_num_workers report_to
run_name plot_loss resume_from_checkpoint ddp_timeout deepspeed do_sample max_new_tokens temperature top_p top_k
vllm_maxlen vllm_gpu_util vllm_enforce_eager export_dir export_size export_device export_hub_model_id
"""

SFT = """### model
model_name_or_path: Qwen/Qwen3-4B-Instruct-2507
trust_remote_code: true

### method
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: all

### dataset
dataset: identity, alpaca_en_demo
template: qwen3_nothink
cutoff_len: 2048
max_samples: 1000
preprocessing_num_workers: 16
dataloader_num_workers: 4

### output
output_dir: saves/qwen3-4b/lora/sft
logging_steps: 10
save_steps: 500
plot_loss: true
overwrite_output_dir: true
save_only_model: false
report_to: none  # choices: [none, wandb, tensorboard, swanlab, mlflow]

### train
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
ddp_timeout: 180000000
resume_from_checkpoint: null
"""


def said(text: str) -> dict[str, str]:
    """Key to message of every error."""
    return {finding.key: f"{finding.problem}; {finding.fix}" for finding in read_recipe_text(text, "r.yaml").errors}


@pytest.mark.parametrize("key", ACCEPTED.split())
def test_a_key_of_the_accepted_list_is_a_key_here(key: str) -> None:
    assert key in Recipe.model_fields


@pytest.mark.parametrize("key", THEIR_KEYS)
def test_each_of_their_keys_is_taken_or_refused_by_name(key: str) -> None:
    assert (key in Recipe.model_fields) + (key in REFUSED) + (key in OTHER_NAMES) == 1


def test_advice_names_only_keys_that_exist() -> None:
    for name, advice in OTHER_NAMES.items():
        key = advice.split()[1].strip(":,")
        assert key in Recipe.model_fields or "reward_funcs" in advice or "dataset_info.json" in advice, name


def test_a_fine_tuning_recipe_needs_a_stage_and_rewards_and_nothing_else() -> None:
    assert said(SFT) == {
        "stage": "is sft; use stage: grpo; supervised and preference training stay with LLaMA-Factory",
        "reward_funcs": "is missing; name what to reward, such as accuracy,format",
    }
    assert said(SFT.replace("stage: sft", "stage: grpo\nreward_funcs: accuracy")) == {}


@pytest.mark.parametrize("stage", ["pt", "sft", "rm", "dpo", "kto", "ppo"])
def test_every_other_stage_is_refused_with_the_one_to_use(stage: str) -> None:
    assert "use stage: grpo" in said(SFT.replace("sft\n", f"{stage}\n", 1))["stage"]


@pytest.mark.parametrize("kind", ["oft", "freeze", "qlora"])
def test_every_other_fine_tuning_is_refused_with_the_one_to_use(kind: str) -> None:
    assert (
        "use finetuning_type: lora"
        in said(SFT.replace("finetuning_type: lora", f"finetuning_type: {kind}"))["finetuning_type"]
    )


def test_many_refused_keys_are_all_named_at_once() -> None:
    keys = ["packing", "pref_loss", "use_galore", "pissa_init", "image_max_pixels", "use_unsloth", "ray_num_workers"]
    keys += ["streaming", "tokenized_path", "do_predict", "kto_chosen_weight", "ppo_epochs", "reward_model", "use_kt"]
    errors = said(SFT + "".join(f"{key}: 1\n" for key in keys))
    assert set(errors) == {*keys, "stage", "reward_funcs"}


def test_their_export_recipe_is_taken() -> None:
    text = """model_name_or_path: Qwen/Qwen3-4B-Instruct-2507
adapter_name_or_path: saves/qwen3-4b/lora/sft
template: qwen3_nothink
trust_remote_code: true
export_dir: saves/qwen3_sft_merged
export_size: 5
export_device: cpu  # choices: [cpu, auto]
export_legacy_format: false
"""
    assert said(text) == {}


def test_template_names_of_theirs_pass_and_near_misses_do_not() -> None:
    assert {"qwen", "llama3", "gemma3", "deepseek3", "chatglm3"} <= TEMPLATES
    assert "template" not in said(SFT)
    assert "use qwen" in said(SFT.replace("template: qwen3_nothink", "template: qwen99"))["template"]
    unheard = read_recipe_text(SFT.replace("template: qwen3_nothink", "template: mossvl"), "r.yaml")
    assert [finding.level for finding in unheard.findings if finding.key == "template"] == ["warning"]
