"""Which models has Tunix, and what of a Hugging Face config.json do they honour? Light: plain values in and out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What a config.json leaves out means what it means to transformers.
_DEFAULT_THETA = 10_000.0
_GEMMA_THETAS = {"full_attention": 1_000_000.0, "sliding_attention": 10_000.0}
_ROPE_TYPES = ("default", "linear", "llama3")
_NEEDED = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
_OTHER_ENGINE = "use engine: trl"

# The layers that PEFT's all-linear takes in the models that Tunix has.
ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

_PROJECTIONS = {
    "self_attn.q_proj.weight": "attn.q_proj.w",
    "self_attn.k_proj.weight": "attn.k_proj.w",
    "self_attn.v_proj.weight": "attn.v_proj.w",
    "self_attn.o_proj.weight": "attn.o_proj.w",
    "mlp.gate_proj.weight": "mlp.gate_proj.kernel",
    "mlp.up_proj.weight": "mlp.up_proj.kernel",
    "mlp.down_proj.weight": "mlp.down_proj.kernel",
}
_NORMS = {
    "input_layernorm.weight": "input_layernorm.w",
    "post_attention_layernorm.weight": "post_attention_layernorm.w",
}
_HEAD_NORMS = {"self_attn.q_norm.weight": "attn.q_norm.w", "self_attn.k_norm.weight": "attn.k_norm.w"}
_BIASES = {f"self_attn.{name}_proj.bias": f"attn.{name}_bias" for name in "qkv"}
_GEMMA = _PROJECTIONS | {
    "self_attn.q_proj.weight": "attn.q_einsum.w",
    "self_attn.k_proj.weight": "attn.kv_einsum.k_proj.w",
    "self_attn.v_proj.weight": "attn.kv_einsum.v_proj.w",
    "self_attn.o_proj.weight": "attn.attn_vec_einsum.w",
    "self_attn.q_norm.weight": "attn._query_norm.scale",
    "self_attn.k_norm.weight": "attn._key_norm.scale",
    "input_layernorm.weight": "pre_attention_norm.scale",
    "post_attention_layernorm.weight": "post_attention_norm.scale",
    "pre_feedforward_layernorm.weight": "pre_ffw_norm.scale",
    "post_feedforward_layernorm.weight": "post_ffw_norm.scale",
}


@dataclass(frozen=True)
class Family:
    """One of Tunix's models, as this engine uses it."""

    module: str
    model: str
    layer: Mapping[str, str]  # a layer's tensors: Hugging Face's name, and where it stands in Tunix's layer
    norm: str = "final_norm.w"


FAMILIES = {
    "qwen3": Family("tunix.models.qwen3.model", "Qwen3", _PROJECTIONS | _NORMS | _HEAD_NORMS),
    "qwen2": Family("tunix.models.qwen2.model", "Qwen2", _PROJECTIONS | _NORMS | _BIASES),
    "llama": Family("tunix.models.llama3.model", "Llama3", _PROJECTIONS | _NORMS),
    "gemma3_text": Family("tunix.models.gemma3.model", "Gemma3", _GEMMA, "final_norm.scale"),
}


def faults_of(config: dict[str, Any]) -> list[tuple[str, str]]:
    """What Tunix would compute otherwise than transformers: (problem, fix) pairs."""
    kind = config.get("model_type")
    if kind not in FAMILIES:
        known = ", ".join(FAMILIES)
        return [(f"has model_type {kind or 'not given'}, which is none of {known}", _OTHER_ENGINE)]
    missing = [name for name in _NEEDED if not isinstance(config.get(name), int)]
    if missing:
        return [(f"has no {missing[0]} in config.json", "check that the model is complete")]
    problems = [*_common_faults(config), *(_gemma_faults(config) if kind == "gemma3_text" else _plain_faults(config))]
    return [(problem, _OTHER_ENGINE) for problem in problems]


def _common_faults(config: dict[str, Any]) -> list[str]:
    found = []
    if config.get("quantization_config"):
        method = config["quantization_config"].get("quant_method", "in a way of its own")
        found.append(f"is quantised ({method}), which Tunix does not read")
    for name in ("attention_bias", "mlp_bias"):
        # transformers' Qwen2 reads neither: its queries, keys and values always have a bias, and Tunix's have one too.
        if config.get(name) and config["model_type"] != "qwen2":
            found.append(f"has {name}, and Tunix's model has none")
    if _values(config)["head_dim"] % 2:
        found.append(f"has head_dim {_values(config)['head_dim']}, which rotary positions cannot halve")
    if _values(config)["num_heads"] % _values(config)["num_kv_heads"]:
        found.append("has num_attention_heads that num_key_value_heads does not divide")
    return found


def _plain_faults(config: dict[str, Any]) -> list[str]:
    found = []
    if (activation := config.get("hidden_act", "silu")) not in ("silu", "swish"):
        found.append(f"has hidden_act {activation}, and Tunix's model computes silu")
    layers = config.get("layer_types")
    sliding = config.get("use_sliding_window") and config.get("sliding_window") is not None
    if layers is None and sliding and config.get("max_window_layers", 28) < config["num_hidden_layers"]:
        found.append("has use_sliding_window, and Tunix's model attends to everything")
    if set(layers or ()) - {"full_attention"} and config["model_type"] != "llama":
        other = next(name for name in layers or () if name != "full_attention")
        found.append(f"has {other} layers, and Tunix's model attends to everything")
    return found + _rope_faults(rope_of(config))


def _gemma_faults(config: dict[str, Any]) -> list[str]:
    found = []
    if (activation := config.get("hidden_activation", "gelu_pytorch_tanh")) != "gelu_pytorch_tanh":
        found.append(f"has hidden_activation {activation}, and Tunix's model computes gelu_pytorch_tanh")
    for name in ("attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention"):
        if config.get(name):
            found.append(f"has {name}, and Tunix's model has none")
    if config.get("tie_word_embeddings", True) is False:
        found.append("has tie_word_embeddings false, and Tunix's model has no head of its own")
    if _gemma_scale(config) is None:
        found.append(
            f"has query_pre_attn_scalar {config.get('query_pre_attn_scalar', 256)}, and Tunix's model scales by "
            "head_dim or by hidden_size / num_attention_heads"
        )
    if _gemma_layers(config) != _tunix_gemma_layers(config["num_hidden_layers"]):
        found.append("has layer_types other than Tunix's five sliding_attention and one full_attention in turn")
    if config.get("sliding_window", 4096) is None:
        found.append("has no sliding_window")
    for layer_type in _GEMMA_THETAS:
        rope = rope_of(config, layer_type)
        if rope["rope_type"] == "llama3":
            found.append("has rope_type llama3, and Tunix's model knows default and linear")
        found += _rope_faults(rope)
    return found


def _gemma_layers(config: dict[str, Any]) -> list[str]:
    pattern = config.get("sliding_window_pattern") or config.get("_sliding_window_pattern") or 6
    count = config["num_hidden_layers"]
    given: list[str] | None = config.get("layer_types")
    return given or ["sliding_attention" if (index + 1) % pattern else "full_attention" for index in range(count)]


def _tunix_gemma_layers(count: int) -> list[str]:
    return ["sliding_attention" if (index + 1) % 6 else "full_attention" for index in range(count)]


def _rope_faults(rope: dict[str, Any]) -> list[str]:
    found = []
    if rope["rope_type"] not in _ROPE_TYPES:
        found.append(f"has rope_type {rope['rope_type']}, and this engine knows {', '.join(_ROPE_TYPES)}")
    elif lacking := [name for name in _rope_needs(rope["rope_type"]) if rope.get(name) is None]:
        found.append(f"has rope_type {rope['rope_type']} without {lacking[0]}")
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        found.append(
            f"has partial_rotary_factor {rope['partial_rotary_factor']}, and Tunix's model rotates whole heads"
        )
    return found


def _rope_needs(kind: str) -> tuple[str, ...]:
    return {"linear": ("factor",), "llama3": ("factor", "low_freq_factor", "high_freq_factor")}.get(kind, ())


def rope_of(config: dict[str, Any], layer_type: str | None = None) -> dict[str, Any]:
    """The rotary parameters, with their type and theta, whichever age of transformers wrote them."""
    given = dict(config.get("rope_parameters") or {})
    old = dict(config.get("rope_scaling") or {})
    if layer_type is None:
        rope = old or given
        theta = config.get("rope_theta") or _DEFAULT_THETA
    else:
        # The scaling of an old config.json is for the layers that see everything.
        own = given.get(layer_type) or ({} if _GEMMA_THETAS.keys() & given.keys() else given)
        rope = dict(own) | (old if layer_type == "full_attention" else {})
        named = {"full_attention": "rope_theta", "sliding_attention": "rope_local_base_freq"}[layer_type]
        theta = config.get(named) or _GEMMA_THETAS[layer_type]
    rope.setdefault("rope_type", rope.get("type", "default"))
    if rope.get("rope_theta") is None:
        rope["rope_theta"] = theta
    if config.get("partial_rotary_factor") is not None:
        rope.setdefault("partial_rotary_factor", config["partial_rotary_factor"])
    if rope["rope_type"] == "llama3":
        rope.setdefault("original_max_position_embeddings", config.get("max_position_embeddings", 2048))
    return rope


def model_config_values(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of Tunix's ModelConfig for a config.json that has no faults."""
    values = _values(config)
    tied = config.get("tie_word_embeddings", False)
    if config["model_type"] == "gemma3_text":
        return values | _gemma_values(config)
    values["vocab_size"] = config["vocab_size"]
    values["norm_eps"] = config.get("rms_norm_eps", 1e-6)
    values["rope_theta"] = rope_of(config)["rope_theta"]
    values["weight_tying" if config["model_type"] == "llama" else "use_tied_embedding"] = tied
    return values


def _values(config: dict[str, Any]) -> dict[str, Any]:
    heads, hidden, kind = config["num_attention_heads"], config["hidden_size"], config["model_type"]
    # transformers' own defaults, where a config.json is silent
    head_dim = {"qwen3": 128, "gemma3_text": 256}.get(kind, hidden // heads)
    kv_heads = config.get("num_key_value_heads", {"llama": heads, "gemma3_text": 4}.get(kind, 32))
    return {
        "num_layers": config["num_hidden_layers"],
        "embed_dim": hidden,
        "hidden_dim": config["intermediate_size"],
        "num_heads": heads,
        "head_dim": config.get("head_dim") or head_dim,
        "num_kv_heads": kv_heads or heads,
    }


def _gemma_values(config: dict[str, Any]) -> dict[str, Any]:
    far, near = (rope_of(config, layer_type) for layer_type in ("full_attention", "sliding_attention"))
    return {
        "num_embed": config["vocab_size"],
        "sliding_window_size": config.get("sliding_window", 4096),
        "global_base_frequency": far["rope_theta"],
        "local_base_frequency": near["rope_theta"],
        "global_scale_factor": far.get("factor") or 1.0,
        "local_scale_factor": near.get("factor") or 1.0,
        "query_pre_attn_norm": _gemma_scale(config),
    }


def _gemma_scale(config: dict[str, Any]) -> str | None:
    """The name of Tunix's way to scale queries that is this model's, or None."""
    scalar = config.get("query_pre_attn_scalar", 256)
    if scalar == _values(config)["head_dim"]:
        return "BY_ONE_OVER_SQRT_HEAD_DIM"
    if scalar == config["hidden_size"] // config["num_attention_heads"]:
        return "BY_ONE_OVER_SQRT_EMBED_DIM_DIV_NUM_HEADS"
    return None
