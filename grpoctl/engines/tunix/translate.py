"""What does a recipe say in the words of Tunix, qwix and optax? Pure: plain values in, plain values out."""

import math
from collections.abc import Iterator
from typing import Any

from grpoctl.engines.base import Unsupported
from grpoctl.recipe.schema import Recipe

# How Tunix averages token losses; loss.py gives each the weight that the recipe's word has.
_AVERAGING = {
    "grpo": "sequence-mean-token-mean",
    "gspo": "sequence-mean-token-mean",
    "dapo": "token-mean",
    "bnpo": "token-mean",
    "dr_grpo": "sequence-mean-token-scale",
}

# All of these are AdamW in float32.
_ADAMW = ("adamw_torch", "adamw_torch_fused")

# Of Tunix's own models; MaxText has policies of its own.
_REMAT = {"none": "none", "minimal": "minimal", "full": "full"}


def loss_settings(recipe: Recipe) -> dict[str, Any]:
    """The arguments of GroupConfig."""
    return {
        "num_generations": recipe.num_generations,
        "num_iterations": recipe.num_iterations,
        "beta": recipe.pref_beta,
        "epsilon": recipe.epsilon,
        "epsilon_high": recipe.epsilon if recipe.epsilon_high is None else recipe.epsilon_high,
        "loss_agg_mode": _AVERAGING[recipe.loss_type],
        "loss_algo": "gspo-token" if recipe.loss_type == "gspo" else "grpo",
        "loss_type": recipe.loss_type,
        # k3, as TRL and the papers have it; Tunix's own default does not pull towards the reference.
        "kl_loss_mode": "low_var_kl",
        "temperature": recipe.temperature,
        "max_completion_length": recipe.max_completion_length,
    }


def rollout_settings(recipe: Recipe, longest_prompt: int) -> dict[str, Any]:
    """The arguments of Tunix's RolloutConfig."""
    room = recipe.max_completion_length or 0
    settings: dict[str, Any] = {
        "max_tokens_to_generate": room,
        "max_prompt_length": longest_prompt,
        "kv_cache_size": longest_prompt + room,
        "temperature": recipe.temperature,
        "top_k": recipe.top_k or None,
        "top_p": recipe.top_p,
    }
    if recipe.use_vllm:
        settings |= {
            "rollout_vllm_model_version": recipe.tokenizer_name_or_path or recipe.model_name_or_path,
            "rollout_vllm_hbm_utilization": recipe.vllm_gpu_util,
            "rollout_vllm_init_with_random_weights": True,  # the trainer's own weights are given to it
            "rollout_vllm_tpu_backend_type": "jax",
            "kv_cache_size": recipe.vllm_maxlen or longest_prompt + room,
            "tensor_parallel_size": recipe.vllm_tensor_parallel_size,
            "return_logprobs": False,
        }
        if recipe.finetuning_type == "lora":
            settings["rollout_vllm_lora_config"] = {"max_lora_rank": recipe.lora_rank}
    return settings


def batch_settings(recipe: Recipe) -> dict[str, Any]:
    """Prompts of an optimiser step and of a micro-step; Tunix counts prompts, over all devices."""
    micro = recipe.per_device_train_batch_size * recipe.mesh.fsdp
    if recipe.gradient_accumulation_steps == 1:
        return {"mini_batch_size": micro}
    return {"mini_batch_size": micro * recipe.gradient_accumulation_steps, "train_micro_batch_size": micro}


def optimiser_settings(recipe: Recipe) -> dict[str, Any]:
    """The arguments of make_optimiser."""
    return {
        "beta1": recipe.adam_beta1,
        "beta2": recipe.adam_beta2,
        "epsilon": recipe.adam_epsilon,
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_grad_norm,
    }


def model_settings(recipe: Recipe) -> dict[str, Any]:
    """How the model is loaded: what it computes in, what its weights are kept in, what it computes twice."""
    computed = "bfloat16" if recipe.bf16 else "float32"
    # Weights that are trained stay in float32, where a rate of 1e-6 still moves them; frozen ones need not.
    return {
        "dtype": computed,
        "param_dtype": "float32" if recipe.finetuning_type == "full" else computed,
        "remat": _REMAT[remat_of(recipe)],
    }


def remat_of(recipe: Recipe) -> str:
    return recipe.remat or ("none" if recipe.disable_gradient_checkpointing else "full")


def lora_settings(recipe: Recipe) -> dict[str, Any] | None:
    """The arguments of add_lora, or None where every weight is trained."""
    if recipe.finetuning_type == "full":
        return None
    alpha = recipe.lora_alpha or 2 * recipe.lora_rank
    scale = alpha / math.sqrt(recipe.lora_rank) if recipe.use_rslora else alpha / recipe.lora_rank
    # As bitsandbytes has them on engine trl: 4 bits are nf4, with a scale for every 64 numbers.
    by_bits: dict[int | None, dict[str, Any]] = {
        None: {},
        8: {"weight_qtype": "int8"},
        4: {"weight_qtype": "nf4", "tile_size": 64},
    }
    weights = by_bits[recipe.quantization_bit]
    return {
        "rank": recipe.lora_rank,
        "scale": scale,
        "target": tuple(recipe.lora_target),
        "seed": recipe.seed,
        **weights,
    }


def unsupported(recipe: Recipe) -> Iterator[Unsupported]:
    """Keys that the JAX engines have nothing for."""
    if recipe.lora_dropout:
        yield Unsupported("lora_dropout", f"is {recipe.lora_dropout:g}, and the JAX engines have none", "take it out")
    if recipe.additional_target:
        yield Unsupported("additional_target", "is for engine trl", "use finetuning_type: full, or take it out")
    if "all" in recipe.lora_target and len(recipe.lora_target) > 1:
        yield Unsupported("lora_target", "names all and others", "use all, or the names alone")
    if len(recipe.adapter_name_or_path) > 1:
        problem = "names several adapters, and the JAX engines start from one"
        yield Unsupported("adapter_name_or_path", problem, "merge the first ones into the model: grpoctl export")
    if recipe.optim not in _ADAMW:
        yield Unsupported("optim", f"is {recipe.optim}, and the JAX engines have AdamW in float32 alone", "take it out")
    others = [sink for sink in recipe.report_to if sink not in ("none", "tensorboard", "all")]
    if others:
        yield Unsupported("report_to", f"names {others[0]}, which engine trl alone has", "use tensorboard, or none")
    if not recipe.skip_jax_distributed_system and not recipe.output_dir:
        problem = "is false, and each host would make a run folder of its own"
        yield Unsupported("skip_jax_distributed_system", problem, "set output_dir, on storage that all hosts share")
    for key in ("rollout_mesh", "use_vllm") if not recipe.skip_jax_distributed_system else ():
        if getattr(recipe, key):
            problem = "is set, and rollouts of several hosts run on the trainer's mesh"
            yield Unsupported(key, problem, "take it out, or skip_jax_distributed_system: true")
    if recipe.engine == "maxtext" and recipe.rollout_mesh is not None:
        yield Unsupported(
            "rollout_mesh", "is set, and MaxText's models run on the mesh they were made on", "take it out"
        )
    if recipe.engine == "tunix" and recipe.remat == "custom":
        yield Unsupported("remat", "is custom, which MaxText's models alone have", "use none, minimal or full")
