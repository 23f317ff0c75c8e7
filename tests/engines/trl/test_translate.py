"""Is every key of a recipe in what TRL, PEFT and transformers are told, and are these words theirs?"""

import dataclasses
import inspect
from pathlib import Path
from typing import Any, get_args

import pytest

from grpoctl.engines.trl.translate import (
    deepspeed_configuration,
    grpo_arguments,
    lora_arguments,
    model_arguments,
    quantization_arguments,
    torchrun_command,
    unsupported,
)
from grpoctl.recipe.load import load_recipe, read_recipe_text
from grpoctl.recipe.schema import Recipe
from grpoctl.run.directory import RunDirectory

BASE = "model_name_or_path: tiny\ndataset: tiny_arithmetic\nreward_funcs: accuracy\n"

# Keys that are used, but not by translate(): each with the place that uses it.
ELSEWHERE = {
    "stage": "rules: stage ppo is for engine mlp",
    "engine": "engines.base picks it",
    "hidden_sizes": "engine mlp",
    "group": "engine mlp",
    "baseline": "engine mlp",
    "baseline_decay": "engine mlp",
    "model_name_or_path": "model_files.find_model",
    "tokenizer_name_or_path": "model_files.find_tokenizer",
    "maxtext_model": "engine maxtext",
    "adapter_name_or_path": "load.load_model",
    "model_revision": "model_files.find_model",
    "cache_dir": "model_files.find_model",
    "quantization_method": "has one value",
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
    "output_dir": "training, where a run folder is made",
    "overwrite_output_dir": "training, where a run folder is made",
    "resume_from_checkpoint": "training, where a run goes on",
    "save_total_limit": "run.checkpoints.rotate",
    "plot_loss": "run.plots",
    "bad_rows": "preflight.datasets",
    "reward_timeout_s": "rewards.scoring",
    "max_reward_failures": "rewards.scoring",
    "eval_strategy": "engines.trl.train",
    "eval_steps": "engines.trl.train",
    "per_device_eval_batch_size": "evaluate",
    "eval_modes": "evaluate",
    "num_threads": "engines.trl.threads",
    "longest_step_first": "engines.trl.longest_step",
    "mesh": "the JAX engines",
    "rollout_mesh": "the JAX engines",
    "attention": "the JAX engines",
    "remat": "the JAX engines",
    "remat_offload": "the JAX engines",
    "skip_jax_distributed_system": "the JAX engines",
    "profile_steps": "the JAX engines",
    "export_dir": "export",
    "export_size": "export",
    "export_device": "export",
    "export_hub_model_id": "export",
}

# A recipe in which the key has an effect, where the base has none.
SURROUNDINGS: dict[str, dict[str, Any]] = {
    "double_quantization": {"quantization_bit": 4},
    "quantization_type": {"quantization_bit": 4},
    "fp16": {"bf16": False},
    "warmup_ratio": {"warmup_steps": 0},
    "nproc_per_node": {},
    "node_rank": {"nnodes": 4},
    "master_addr": {"nnodes": 4},
    "master_port": {"nnodes": 4},
    **{
        f"vllm_{name}": {"use_vllm": True}
        for name in (
            "mode", "gpu_util", "maxlen", "enable_sleep_mode", "tensor_parallel_size",
            "server_host", "server_port", "server_timeout",
        )
    },
}  # fmt: skip


def recipe(**changes: Any) -> Recipe:
    reading = read_recipe_text(BASE, "r.yaml")
    assert reading.recipe is not None
    return reading.recipe.model_copy(update=changes).resolved()


def translated(made: Recipe) -> dict[str, Any]:
    return {
        "grpo": grpo_arguments(made, "run", on_cpu=True),
        "lora": lora_arguments(made),
        "model": model_arguments(made),
        "quantization": quantization_arguments(made),
        "torchrun": torchrun_command(made, RunDirectory(Path("run"))),
    }


def another(name: str) -> Any:
    """A value that the key may have and that is not its default."""
    field, default = Recipe.model_fields[name], Recipe.model_fields[name].default
    if name == "reward_funcs":
        return (recipe().reward_funcs[0].model_copy(update={"weight": 0.5}),)
    if name == "report_to":
        return ("wandb",)
    if isinstance(default, bool):
        return not default
    choices = [choice for choice in get_args(field.annotation) if not isinstance(choice, type)]
    literals = [value for choice in (choices or [field.annotation]) for value in (get_args(choice) or [choice])]
    strings = [value for value in literals if isinstance(value, str | int) and value != default]
    if strings:
        return strings[0]
    if isinstance(default, int):
        return default + 3
    if isinstance(default, float):
        return default / 2 if default else 0.25
    if isinstance(default, tuple):
        return ("q_proj",)
    kinds = get_args(field.annotation)
    return 7 if int in kinds else 0.5 if float in kinds else "z2" if name == "deepspeed" else "other"


@pytest.mark.parametrize("name", sorted(Recipe.model_fields.keys() - ELSEWHERE.keys()))
def test_every_key_changes_what_the_libraries_are_told_or_is_refused(name: str) -> None:
    around = SURROUNDINGS.get(name, {})
    before, after = recipe(**around), recipe(**around, **{name: another(name)})
    refused = {found.key for found in unsupported(after)}
    assert translated(before) != translated(after) or name in refused


def test_no_key_is_on_the_list_of_others_that_is_translated() -> None:
    for name in ELSEWHERE:
        assert name in Recipe.model_fields, name


def test_the_words_are_those_of_the_installed_trl_and_peft() -> None:
    peft, transformers, trl = (pytest.importorskip(name) for name in ("peft", "transformers", "trl"))
    vllm = recipe(use_vllm=True, vllm_mode="server", deepspeed="z2", quantization_bit=4)
    fields = {field.name for field in dataclasses.fields(trl.GRPOConfig)}
    assert set(grpo_arguments(vllm, "run", on_cpu=True)) <= fields
    assert set(lora_arguments(vllm) or {}) <= {field.name for field in dataclasses.fields(peft.LoraConfig)}
    known = set(inspect.signature(transformers.BitsAndBytesConfig.__init__).parameters)
    for bits in (4, 8):
        assert set(quantization_arguments(recipe(quantization_bit=bits)) or {}) <= known


@pytest.mark.parametrize("name", ["quickstart", "qwen3_gsm8k", "qwen3_0.6b_gsm8k", "qwen2.5_7b_math_lora"])
def test_trl_takes_the_arguments_of_each_shipped_recipe(name: str, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    made = load_recipe(name).model_copy(update={"bf16": False})  # which wants a GPU
    config = trl.GRPOConfig(**grpo_arguments(made, str(tmp_path), on_cpu=True))
    assert config.generation_batch_size == made.num_generations * (
        made.per_device_train_batch_size * made.gradient_accumulation_steps
    )


def test_prompts_become_completions() -> None:
    # 1 prompt x 8 answers: TRL refuses the document's batch of 1, which it counts as 1 completion
    arguments = grpo_arguments(load_recipe("qwen2.5_7b_math_lora"), "run", on_cpu=False)
    assert (arguments["per_device_train_batch_size"], arguments["gradient_accumulation_steps"]) == (8, 4)


def test_gspo_is_grpo_with_one_ratio_for_the_sequence() -> None:
    arguments = grpo_arguments(recipe(loss_type="gspo"), "run", on_cpu=True)
    assert (arguments["loss_type"], arguments["importance_sampling_level"]) == ("grpo", "sequence")


def test_a_warm_up_over_all_steps_is_not_one_over_a_single_step() -> None:
    # transformers takes 1 and more for a count
    assert 0.999 < grpo_arguments(recipe(warmup_ratio=1.0), "run", on_cpu=True)["warmup_steps"] < 1
    assert grpo_arguments(recipe(warmup_ratio=0.1), "run", on_cpu=True)["warmup_steps"] == 0.1


def test_weights_that_are_trained_stay_in_float32() -> None:
    assert model_arguments(recipe(finetuning_type="full", bf16=True))["dtype"] == "float32"
    assert model_arguments(recipe(bf16=True))["dtype"] == "bfloat16"


@pytest.mark.parametrize(("name", "stage"), [("z0", 0), ("z2", 2), ("z3", 3), ("z3-offload", 3)])
def test_deepspeed_has_built_in_stages(name: str, stage: int) -> None:
    configuration = deepspeed_configuration(recipe(deepspeed=name))
    assert isinstance(configuration, dict)
    zero = configuration["zero_optimization"]
    assert zero["stage"] == stage
    assert ("offload_param" in zero) == (name == "z3-offload")


def test_several_processes_start_torchrun_and_one_does_not() -> None:
    run = RunDirectory(Path("saves/x"))
    assert torchrun_command(recipe(), run) is None
    command = torchrun_command(recipe(nproc_per_node=2), run) or []
    assert command[1:] == [
        "-m", "grpoctl.engines.trl.agent", "saves/x", "--standalone", "--nproc_per_node", "2",
        "--module", "grpoctl", "train", "--worker", "saves/x",
    ]  # fmt: skip


def test_machines_meet_at_the_first_one() -> None:
    made = recipe(nnodes=2, node_rank=1, nproc_per_node=8, master_addr="first", ddp_timeout=60)
    command = torchrun_command(made, RunDirectory(Path("saves/x"))) or []
    assert command[4:-5] == [
        "--nnodes", "2", "--node_rank", "1", "--master_addr", "first", "--master_port", "29500",
        "--rdzv_conf", "timeout=60", "--nproc_per_node", "8",
    ]  # fmt: skip


@pytest.mark.parametrize("change", [{"deepspeed": "z2"}, {"fsdp": "full_shard"}])
def test_what_splits_a_state_is_started_by_torchrun_for_one_process_too(change: dict[str, Any]) -> None:
    run = RunDirectory(Path("saves/x"))
    assert torchrun_command(recipe(**change), run) is not None
    assert torchrun_command(recipe(), run, forced=True) is not None


def test_fsdp_is_its_second_version_with_a_state_that_others_can_go_on_from() -> None:
    told = grpo_arguments(recipe(fsdp="shard_grad_op"), "run", on_cpu=True)
    assert told["fsdp"] is True
    assert told["fsdp_config"] == {"version": 2, "reshard_after_forward": False, "state_dict_type": "FULL_STATE_DICT"}


def test_what_trl_cannot_do_is_refused_by_name() -> None:
    assert [found.key for found in unsupported(recipe(vllm_enforce_eager=True))] == ["vllm_enforce_eager"]
    assert [found.key for found in unsupported(recipe(lora_target=("all", "q_proj")))] == ["lora_target"]
    assert list(unsupported(recipe())) == []
