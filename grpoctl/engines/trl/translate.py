"""What does a recipe say in the words of TRL, PEFT and transformers? Pure: plain values in, plain values out."""

import sys
from collections.abc import Iterator
from typing import Any

from grpoctl.engines.base import Unsupported
from grpoctl.paths import user_path
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.trust import ON_THE_COMMAND_LINE
from grpoctl.run.directory import RunDirectory

_ATTENTION = {
    "auto": None,
    "disabled": "eager",
    "sdpa": "sdpa",
    "fa2": "flash_attention_2",
    "fa3": "flash_attention_3",
}


PORT = 29500  # torchrun's


def grpo_arguments(recipe: Recipe, folder: str, *, on_cpu: bool) -> dict[str, Any]:
    """The arguments of TRL's GRPOConfig, for a resolved recipe."""
    return {
        "output_dir": folder,
        "use_cpu": on_cpu,
        **_group_and_loss(recipe),
        **_steps_and_optimiser(recipe),
        **_sampling(recipe),
        **_vllm(recipe),
        # A name of its own for each sink of transformers; the run folder and TensorBoard are grpoctl's.
        "report_to": [sink for sink in recipe.report_to if sink not in ("none", "tensorboard")] or "none",
        "run_name": recipe.run_name,
        "logging_steps": recipe.logging_steps,
        "save_strategy": "steps",
        "save_steps": recipe.save_steps,
        "save_only_model": recipe.save_only_model,
        "eval_strategy": "no",
        "disable_tqdm": True,
        # A loss that is no number has to be seen, not replaced by the mean of those before.
        "logging_nan_inf_filter": False,
        "dataloader_num_workers": recipe.dataloader_num_workers,
        "dataloader_pin_memory": not on_cpu,
        "ddp_timeout": recipe.ddp_timeout,
        "deepspeed": deepspeed_configuration(recipe),
        **_fsdp(recipe),
    }


def _fsdp(recipe: Recipe) -> dict[str, Any]:
    if recipe.fsdp is None:
        return {}
    # A state that is whole in each checkpoint can be gone on with by another number of processes.
    how = {"version": 2, "reshard_after_forward": recipe.fsdp == "full_shard", "state_dict_type": "FULL_STATE_DICT"}
    return {"fsdp": True, "fsdp_config": how}


def _group_and_loss(recipe: Recipe) -> dict[str, Any]:
    sequence = recipe.loss_type == "gspo"
    return {
        "num_generations": recipe.num_generations,
        "beta": recipe.pref_beta,
        "epsilon": recipe.epsilon,
        "epsilon_high": recipe.epsilon_high,
        "num_iterations": recipe.num_iterations,
        "loss_type": "grpo" if sequence else recipe.loss_type,
        "importance_sampling_level": "sequence" if sequence else "token",
        "scale_rewards": recipe.scale_rewards,
        "mask_truncated_completions": recipe.mask_truncated_completions,
        # k3 as it stands in the papers; TRL's correction would give the KL term another gradient than other engines do.
        "use_bias_correction_kl": False,
        "reward_weights": [use.weight for use in recipe.reward_funcs],
    }


def _steps_and_optimiser(recipe: Recipe) -> dict[str, Any]:
    return {
        # TRL counts completions, a recipe counts prompts.
        "per_device_train_batch_size": recipe.per_device_train_batch_size * recipe.num_generations,
        "gradient_accumulation_steps": recipe.gradient_accumulation_steps,
        "num_train_epochs": recipe.num_train_epochs,
        "max_steps": recipe.max_steps,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": recipe.lr_scheduler_type,
        # transformers reads a value below 1 as a share of the steps, and 1 as one step
        "warmup_steps": recipe.warmup_steps or min(recipe.warmup_ratio, 1 - 1e-9),
        "optim": recipe.optim,
        "adam_beta1": recipe.adam_beta1,
        "adam_beta2": recipe.adam_beta2,
        "adam_epsilon": recipe.adam_epsilon,
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_grad_norm,
        "bf16": recipe.bf16,
        "fp16": recipe.fp16,
        "gradient_checkpointing": not recipe.disable_gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "seed": recipe.seed,
    }


def _sampling(recipe: Recipe) -> dict[str, Any]:
    return {
        "max_completion_length": recipe.max_completion_length,
        "temperature": recipe.temperature,
        "top_k": recipe.top_k,
        "top_p": recipe.top_p,
        "min_p": recipe.min_p,
    }


def _vllm(recipe: Recipe) -> dict[str, Any]:
    if not recipe.use_vllm:
        return {"use_vllm": False}
    needed = (recipe.max_prompt_length or 0) + (recipe.max_completion_length or 0)
    return {
        "use_vllm": True,
        "vllm_mode": recipe.vllm_mode,
        "vllm_gpu_memory_utilization": recipe.vllm_gpu_util,
        "vllm_max_model_length": recipe.vllm_maxlen or needed,
        "vllm_enable_sleep_mode": recipe.vllm_enable_sleep_mode,
        "vllm_tensor_parallel_size": recipe.vllm_tensor_parallel_size,
        "vllm_server_host": recipe.vllm_server_host,
        "vllm_server_port": recipe.vllm_server_port,
        "vllm_server_timeout": recipe.vllm_server_timeout,
    }


def lora_arguments(recipe: Recipe) -> dict[str, Any] | None:
    """The arguments of PEFT's LoraConfig, or None where every weight is trained."""
    if recipe.finetuning_type == "full":
        return None
    return {
        "task_type": "CAUSAL_LM",
        "r": recipe.lora_rank,
        "lora_alpha": recipe.lora_alpha,
        "lora_dropout": recipe.lora_dropout,
        "target_modules": "all-linear" if recipe.lora_target == ("all",) else list(recipe.lora_target),
        "modules_to_save": list(recipe.additional_target) or None,
        "use_rslora": recipe.use_rslora,
        "use_dora": recipe.use_dora,
    }


def model_arguments(recipe: Recipe) -> dict[str, Any]:
    """The arguments of from_pretrained."""
    arguments: dict[str, Any] = {
        "dtype": _dtype(recipe),
        "attn_implementation": _ATTENTION[recipe.flash_attn],
        "trust_remote_code": recipe.trust_remote_code,
        "use_safetensors": True,  # other formats can run code when they are read
    }
    return {name: value for name, value in arguments.items() if value is not None}


def _dtype(recipe: Recipe) -> str:
    # Weights that are trained stay in float32, where a rate of 1e-6 still moves them; frozen ones need not.
    if recipe.finetuning_type == "full":
        return "float32"
    return "bfloat16" if recipe.bf16 else "float16" if recipe.fp16 else "float32"


def quantization_arguments(recipe: Recipe) -> dict[str, Any] | None:
    """The arguments of BitsAndBytesConfig, or None."""
    if recipe.quantization_bit is None:
        return None
    if recipe.quantization_bit == 8:
        return {"load_in_8bit": True}
    return {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": recipe.quantization_type,
        "bnb_4bit_use_double_quant": recipe.double_quantization,
        "bnb_4bit_compute_dtype": _dtype(recipe),
    }


def deepspeed_configuration(recipe: Recipe) -> str | dict[str, Any] | None:
    """The file, or the built-in configuration of that name; `auto` is filled in by transformers."""
    if recipe.deepspeed is None:
        return None
    stage = {"z0": 0, "z2": 2, "z3": 3, "z3-offload": 3}.get(recipe.deepspeed)
    if stage is None:
        return str(user_path(recipe.deepspeed))
    zero: dict[str, Any] = {"stage": stage, "overlap_comm": True, "contiguous_gradients": True}
    if stage == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    if recipe.deepspeed == "z3-offload":
        zero |= {"offload_optimizer": {"device": "cpu"}, "offload_param": {"device": "cpu"}}
    return {
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "bf16": {"enabled": "auto"},
        "fp16": {"enabled": "auto"},
        "zero_optimization": zero,
    }


def torchrun_command(recipe: Recipe, run: RunDirectory, *, forced: bool = False) -> list[str] | None:
    """The command for several processes, or None for one. What splits a state needs torchrun for one, too."""
    alone = recipe.nproc_per_node == 1 and recipe.nnodes == 1
    if alone and not forced and recipe.deepspeed is None and recipe.fsdp is None:
        return None
    launcher = [sys.executable, "-m", "grpoctl.engines.trl.agent", str(run.path)]
    workers = ["--nproc_per_node", str(recipe.nproc_per_node)]
    # What the command line said has to be said to each process again.
    trust = [ON_THE_COMMAND_LINE] if recipe.trust_remote_code else []
    work = ["--module", "grpoctl", "train", "--worker", str(run.path), *trust]
    return [*launcher, *_meeting(recipe), *workers, *work]


def _meeting(recipe: Recipe) -> list[str]:
    """Where the processes meet."""
    if recipe.nnodes == 1 and recipe.master_port is None:
        return ["--standalone"]
    words = ["--nnodes", str(recipe.nnodes), "--node_rank", str(recipe.node_rank)]
    words += ["--master_addr", recipe.master_addr or "localhost", "--master_port", str(recipe.master_port or PORT)]
    return [*words, "--rdzv_conf", f"timeout={recipe.ddp_timeout}"]


def unsupported(recipe: Recipe) -> Iterator[Unsupported]:
    """Keys that TRL has nothing for."""
    if recipe.vllm_enforce_eager:
        yield Unsupported(
            "vllm_enforce_eager",
            "is true, and TRL does not pass it on",
            "take it out, or use vllm_mode: server and start it with trl vllm-serve --enforce_eager true",
        )
    split_by = "deepspeed" if recipe.deepspeed is not None else "fsdp" if recipe.fsdp is not None else None
    if recipe.longest_step_first and split_by is not None:
        problem = f"is true, and {split_by} splits the weights only as the training begins"
        yield Unsupported("longest_step_first", problem, f"take it out, or {split_by}")
    if "all" in recipe.lora_target and len(recipe.lora_target) > 1:
        yield Unsupported("lora_target", "names all and others", "use all, or the names alone")
