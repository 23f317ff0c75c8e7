"""What of a config.json would Tunix get wrong? Each such thing is named before anything heavy is loaded."""

import subprocess
import sys
from typing import Any

import pytest
from hf_models import GEMMA, SIZES

from grpoctl.engines.tunix.families import faults_of, model_config_values, rope_of


def config_of(model_type: str, **changes: Any) -> dict[str, Any]:
    return {"model_type": model_type, **SIZES, **(GEMMA if model_type == "gemma3_text" else {}), **changes}


@pytest.mark.parametrize("model_type", ["qwen3", "qwen2", "llama", "gemma3_text"])
def test_each_family_is_taken_with_what_transformers_leaves_at_its_defaults(model_type: str) -> None:
    assert faults_of(config_of(model_type)) == []


@pytest.mark.parametrize(
    ("model_type", "changes", "said"),
    [
        ("mixtral", {}, "model_type mixtral, which is none of qwen3, qwen2, llama, gemma3_text"),
        ("qwen3_moe", {}, "model_type qwen3_moe"),
        ("gemma3", {}, "model_type gemma3,"),
        ("qwen3", {"hidden_size": None}, "no hidden_size"),
        ("qwen3", {"quantization_config": {"quant_method": "awq"}}, "quantised (awq)"),
        ("qwen3", {"attention_bias": True}, "attention_bias"),
        ("llama", {"mlp_bias": True}, "mlp_bias"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act gelu"),
        ("gemma3_text", {"hidden_activation": "silu"}, "hidden_activation silu"),
        ("qwen3", {"head_dim": 15}, "head_dim 15"),
        ("qwen3", {"num_key_value_heads": 3}, "num_key_value_heads"),
        ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}, "use_sliding_window"),
        ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}, "sliding_attention layers"),
        ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "rope_type yarn"),
        ("llama", {"rope_scaling": {"type": "dynamic", "factor": 4.0}}, "rope_type dynamic"),
        ("llama", {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "llama3 without low_freq_factor"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5"),
        ("gemma3_text", {"final_logit_softcapping": 30.0}, "final_logit_softcapping"),
        ("gemma3_text", {"attn_logit_softcapping": 50.0}, "attn_logit_softcapping"),
        ("gemma3_text", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
        ("gemma3_text", {"tie_word_embeddings": False}, "tie_word_embeddings"),
        ("gemma3_text", {"query_pre_attn_scalar": 168}, "query_pre_attn_scalar 168"),
        ("gemma3_text", {"sliding_window_pattern": 4}, "layer_types"),
        ("gemma3_text", {"rope_parameters": {"full_attention": {"rope_type": "llama3"}}}, "rope_type llama3"),
    ],
)
def test_what_tunix_would_get_wrong_is_named(model_type: str, changes: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem, _ in faults_of(config_of(model_type, **changes)))


def test_a_window_that_no_layer_uses_is_no_fault() -> None:
    # Qwen 2.5's own config.json: the window stands there, and its use is off.
    assert faults_of(config_of("qwen2", use_sliding_window=False, sliding_window=32768, max_window_layers=2)) == []
    assert faults_of(config_of("qwen2", use_sliding_window=True, sliding_window=8, max_window_layers=2)) == []


@pytest.mark.parametrize(
    "config",
    [
        {"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2.0}},
        {"rope_parameters": {"rope_theta": 5e5, "rope_type": "linear", "factor": 2.0}},
    ],
)
def test_rotary_parameters_are_read_as_each_age_of_transformers_wrote_them(config: dict[str, Any]) -> None:
    rope = rope_of(config)
    assert (rope["rope_theta"], rope["rope_type"], rope["factor"]) == (5e5, "linear", 2.0)


def test_a_config_without_theta_means_ten_thousand() -> None:
    assert rope_of({})["rope_theta"] == 10_000


def test_gemmas_two_thetas_are_read_from_old_and_new_configs() -> None:
    old = config_of("gemma3_text", rope_theta=2e6, rope_local_base_freq=3e4, rope_scaling={"factor": 8.0})
    old["rope_scaling"]["rope_type"] = "linear"
    kinds = {"full_attention": {"rope_theta": 2e6, "rope_type": "linear", "factor": 8.0}}
    new = config_of("gemma3_text", rope_parameters={**kinds, "sliding_attention": {"rope_theta": 3e4}})
    for config in (old, new):
        values = model_config_values(config)
        assert (values["global_base_frequency"], values["global_scale_factor"]) == (2e6, 8.0)
        assert (values["local_base_frequency"], values["local_scale_factor"]) == (3e4, 1.0)


def test_sizes_that_a_config_leaves_out_are_transformers_own() -> None:
    config = {name: value for name, value in SIZES.items() if name not in ("head_dim", "num_key_value_heads")}
    values = model_config_values({"model_type": "llama", **config})
    assert (values["head_dim"], values["num_kv_heads"]) == (16, 4)  # 64 / 4, and as many as there are heads


def test_reading_a_config_loads_nothing_heavy() -> None:
    code = (
        "import sys, grpoctl.engines.tunix.families as f; f.faults_of({'model_type': 'qwen3'});"
        "print(sorted({'jax', 'flax', 'tunix', 'torch', 'numpy'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
