"""What does a recipe say in MaxText's words, and which models does MaxText compute as they were made? Pure."""

from collections.abc import Mapping
from typing import Any

from grpoctl.engines.tunix.families import faults_of, model_config_values, rope_of
from grpoctl.engines.tunix.translate import remat_of
from grpoctl.errors import Finding, ModelError, nearest
from grpoctl.recipe.schema import Recipe

# Hugging Face's model_type, and the model of MaxText's that has that family's layers. Its sizes are replaced.
FAMILIES = {"qwen3": "qwen3-0.6b", "qwen2": "qwen2.5-1.5b", "llama": "llama3.1-8b"}

# MaxText's own models of those families, as maxtext_model names them; it has more, of layers that are not read here.
ARCHITECTURES = {
    "qwen3": (
        *("qwen3-0.6b", "qwen3-1.7b", "qwen3-1.7b-base", "qwen3-4b", "qwen3-4b-base", "qwen3-4b-thinking-2507"),
        *("qwen3-8b", "qwen3-8b-base", "qwen3-14b", "qwen3-14b-base", "qwen3-32b"),
    ),
    "qwen2": ("qwen2.5-1.5b", "qwen2.5-7b", "qwen2.5-14b"),
    "llama": ("llama3.1-8b", "llama3.1-70b", "llama3.1-405b"),
}

# The parts of a decoder layer whose results `remat: custom` can keep in host memory; a layer's input comes first.
OFFLOADS = (
    "decoder_layer_input",
    "query_proj",
    "key_proj",
    "value_proj",
    "qkv_proj",
    "out_proj",
    "context",
    "mlpwi",
    "mlpwi_0",
    "mlpwi_1",
    "mlpwo",
)

# MaxText's models know the frequencies of Llama 3.1 and no other scaled ones of that kind.
_LLAMA_ROPE = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}

# What this engine does itself, or has no use for.
_OURS: dict[str, Any] = {
    "run_name": "grpoctl",
    "base_output_directory": "saves",  # it writes nothing there, and complains where none is named
    "enable_checkpointing": False,
    "dataset_type": "synthetic",
    "tokenizer_type": "huggingface",
    "tokenizer_path": "none",
    "log_config": False,
    "enable_dropout": False,
    "per_device_batch_size": 1,
    "jax_cache_dir": "",  # grpoctl has set one; this would send everything to ~/jax_cache
    "skip_jax_distributed_system": True,  # the engine joined the hosts before any device was asked
    # One tensor a layer, as in a Hugging Face folder; stacked, they could not be trained and exported one by one.
    "scan_layers": False,
}


def maxtext_arguments(recipe: Recipe, *, model: str, sizes: Mapping[str, Any], hardware: str) -> dict[str, Any]:
    """The settings of MaxText's configuration: for a model of that name, with these of its sizes replaced.

    `hardware` is tpu, gpu or cpu.
    """
    computed = "bfloat16" if recipe.bf16 else "float32"
    prompt, completion = recipe.max_prompt_length or recipe.cutoff_len, recipe.max_completion_length or 0
    return {
        **_OURS,
        "model_name": model,
        "override_model_config": bool(sizes),
        **sizes,
        "hardware": hardware,
        "max_target_length": prompt + completion,
        "max_prefill_predict_length": prompt,
        "dtype": computed,
        # Weights that are trained stay in float32, where a rate of 1e-6 still moves them; frozen ones need not.
        "weight_dtype": "float32" if recipe.finetuning_type == "full" else computed,
        "matmul_precision": "default" if recipe.bf16 else "highest",
        "float32_logits": True,  # the softmax of attention, as transformers has it
        "attention": recipe.attention,
        "ici_fsdp_parallelism": recipe.mesh.fsdp,
        "ici_tensor_parallelism": recipe.mesh.tensor,
        **_remat(recipe),
    }


def _remat(recipe: Recipe) -> dict[str, str]:
    """`minimal` keeps what matrix products give; the others are MaxText's words too."""
    policy = remat_of(recipe)
    return {"remat_policy": policy, **dict.fromkeys(recipe.remat_offload, "offload")}


def model_of(config: Mapping[str, Any], named: str | None) -> str:
    """The name under which MaxText has this model's family. An empty config is that of a MaxText checkpoint."""
    kind = config.get("model_type")
    allowed = ARCHITECTURES[kind] if kind else tuple(name for names in ARCHITECTURES.values() for name in names)
    if named is None and kind:
        return FAMILIES[kind]
    if named in allowed:
        return str(named)
    close = nearest(named or "", allowed)
    fix = f"did you mean {close}?" if close else f"use one of {', '.join(allowed)}"
    of = f", and config.json is of {kind}" if kind else ", which is no model that this engine knows of MaxText's"
    raise ModelError(Finding(f"is {named or 'empty'}{of}", fix, key="maxtext_model"))


def sizes_of(config: Mapping[str, Any], *, tied: bool | None = None) -> dict[str, Any]:
    """A config.json without faults, in MaxText's words. `tied`: whether the head is the embedding, if known."""
    values, rope = model_config_values(dict(config)), rope_of(dict(config))
    head_is_embedding = config.get("tie_word_embeddings", False) if tied is None else tied
    sizes = {
        "base_num_decoder_layers": values["num_layers"],
        "base_emb_dim": values["embed_dim"],
        "base_mlp_dim": values["hidden_dim"],
        "base_num_query_heads": values["num_heads"],
        "base_num_kv_heads": values["num_kv_heads"],
        "head_dim": values["head_dim"],
        "vocab_size": values["vocab_size"],
        "normalization_layer_epsilon": values["norm_eps"],
        "logits_via_embedding": bool(head_is_embedding),
        "normalize_embedding_logits": False,
        "rope_max_timescale": int(values["rope_theta"]),
    }
    if config["model_type"] == "llama":
        return sizes | {"rope_use_scale": rope["rope_type"] == "llama3"}
    return sizes | {"rope_linear_scaling_factor": float(rope["factor"]) if rope["rope_type"] == "linear" else 1.0}


def maxtext_faults(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What MaxText would compute otherwise than transformers: (problem, fix) pairs."""
    kind = config.get("model_type")
    if kind not in FAMILIES:
        known = ", ".join(FAMILIES)
        fix = "use engine: tunix" if kind == "gemma3_text" else "use engine: trl"
        return [
            (f"has model_type {kind or 'not given'}, and this engine reads {known} from a Hugging Face folder", fix)
        ]
    found = [(problem.replace("Tunix", "MaxText"), fix) for problem, fix in faults_of(dict(config))]
    return found or [(problem, "use engine: tunix") for problem in _rope_faults(config)]


def _rope_faults(config: Mapping[str, Any]) -> list[str]:
    rope, llama = rope_of(dict(config)), config["model_type"] == "llama"
    kind = rope["rope_type"]
    if kind not in ("default", "llama3" if llama else "linear"):
        return [f"has rope_type {kind}, which MaxText's model of this family has not"]
    if kind == "llama3" and (odd := [name for name, value in _LLAMA_ROPE.items() if rope.get(name) != value]):
        return [
            f"has {odd[0]} {rope.get(odd[0])} in its rope_parameters, and MaxText's model has {_LLAMA_ROPE[odd[0]]:g}"
        ]
    if rope["rope_theta"] != int(rope["rope_theta"]):
        return [f"has rope_theta {rope['rope_theta']}, and MaxText takes a whole number"]
    return []
