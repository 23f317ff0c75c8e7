"""Is every key of a recipe in what the network is told, or refused, or somebody else's?"""

from dataclasses import asdict
from typing import Any

import pytest

from grpoctl.engines.mlp.translate import _WITHOUT_EFFECT, settings_of, unsupported
from grpoctl.recipe.load import load_recipe, read_recipe_text
from grpoctl.recipe.schema import Recipe

TOLD = {
    "hidden_sizes": (8,),
    "per_device_train_batch_size": 7,
    "gradient_accumulation_steps": 3,
    "num_generations": 5,
    "num_iterations": 2,
    "stage": "ppo",
    "group": "batch",
    "baseline": "moving_average",
    "baseline_decay": 0.5,
    "scale_rewards": "none",
    "temperature": 0.7,
    "epsilon": 0.1,
    "epsilon_high": 0.3,
    "pref_beta": 0.5,
    "adam_beta1": 0.8,
    "adam_beta2": 0.9,
    "adam_epsilon": 1e-5,
    "weight_decay": 0.1,
    "max_grad_norm": 0.5,
}

# Keys that are obeyed, but elsewhere.
ELSEWHERE = {
    "schedule.rate_at": ("learning_rate", "lr_scheduler_type", "warmup_ratio", "warmup_steps"),
    "engines.mlp.train": ("logging_steps", "save_steps", "save_total_limit", "save_only_model", "eval_strategy",
                          "eval_steps", "seed"),
    "digits.sets and preflight": ("dataset", "eval_dataset", "dataset_dir", "cache_dir", "val_size", "max_samples",
                                  "mix_strategy"),
    "recipe.steps": ("max_steps", "num_train_epochs"),
    "evaluate": ("eval_modes", "per_device_eval_batch_size"),
    "training and job": ("engine", "output_dir", "overwrite_output_dir", "resume_from_checkpoint", "report_to",
                         "plot_loss", "run_name"),
    "rules, which refuse or warn of them": (
        "model_name_or_path", "reward_funcs", "finetuning_type", "optim", "do_train", "do_sample", "fp16", "min_p",
        "nproc_per_node", "nnodes", "node_rank", "master_addr", "master_port", "fsdp",
        "num_threads", "deepspeed", "ddp_timeout", "flash_attn", "quantization_method",
        "quantization_type", "use_dora", "vllm_mode", "vllm_server_host", "vllm_server_port", "vllm_server_timeout",
        "vllm_enforce_eager", "vllm_enable_sleep_mode", "vllm_gpu_util", "vllm_maxlen", "vllm_tensor_parallel_size",
        "mesh", "rollout_mesh", "remat", "remat_offload", "skip_jax_distributed_system", "profile_steps", "attention",
        "maxtext_model", "max_completion_length", "max_prompt_length", "cutoff_len", "lora_alpha",
    ),
    "taken for LLaMA-Factory's sake": ("overwrite_cache", "preprocessing_num_workers"),
    "export": ("export_dir", "export_size", "export_device", "export_hub_model_id"),
}  # fmt: skip


def recipe(**changes: Any) -> Recipe:
    return load_recipe("mnist_grpo").model_copy(update=changes)


@pytest.mark.parametrize("name", sorted(TOLD))
def test_a_key_changes_what_the_network_is_told(name: str) -> None:
    around = {"baseline": "moving_average"} if name == "baseline_decay" else {}
    assert asdict(settings_of(recipe(**around))) != asdict(settings_of(recipe(**around, **{name: TOLD[name]})))


def test_no_key_is_dead() -> None:
    elsewhere = {key for keys in ELSEWHERE.values() for key in keys}
    assert set(Recipe.model_fields) == TOLD.keys() | elsewhere | set(_WITHOUT_EFFECT)


@pytest.mark.parametrize(
    ("key", "value"), [("top_p", 0.9), ("use_vllm", True), ("loss_type", "dapo"), ("bf16", True), ("lora_rank", 64)]
)
def test_a_language_models_key_is_refused(key: str, value: Any) -> None:
    assert [found.key for found in unsupported(recipe(**{key: value}))] == [key]
    assert list(unsupported(recipe())) == []


def test_a_group_of_one_needs_something_else_to_be_compared_with() -> None:
    base = "hidden_sizes: 8\ndataset: mnist\nnum_generations: 1\n"
    (finding,) = read_recipe_text(base, "r.yaml").findings
    assert finding.key == "num_generations"
    for other in ("group: batch", "stage: ppo", "baseline: moving_average"):
        assert read_recipe_text(base + other, "r.yaml").findings == []


def test_the_documents_numbers_stand_in_its_recipe() -> None:
    made = load_recipe("mnist_document")
    settings = settings_of(made)
    assert settings.hidden_sizes == (128, 128)
    assert (settings.pictures, settings.answers, settings.baseline) == (1024, 1, "batch")  # BATCH_SIZE, the group
    assert (settings.clip_low, settings.clip_high, settings.pref_beta) == (0.2, 0.2, 0.0)  # CLIP_EPSILON
    assert (made.learning_rate, made.lr_scheduler_type) == (1e-4, "constant")  # LEARNING_RATE
    assert made.max_steps == 10 * 59  # NUM_EPOCHS of ceil(60,000 / 1,024) batches
