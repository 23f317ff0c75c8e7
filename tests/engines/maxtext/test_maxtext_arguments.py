"""Each key of a recipe that is MaxText's changes what it is told, and a model that it computes otherwise is refused."""

import json
from typing import Any

import pytest

from grpoctl import shipped
from grpoctl.engines.tunix.maxtext_arguments import maxtext_arguments, maxtext_faults, model_of, sizes_of
from grpoctl.errors import ModelError
from grpoctl.recipe.keys.devices import Mesh
from grpoctl.recipe.schema import Recipe

PLAIN: dict[str, Any] = {
    "engine": "maxtext",
    "model_name_or_path": "tiny",
    "dataset": ("tiny_arithmetic",),
    "max_completion_length": 40,
    "bf16": False,
}
LLAMA_31: dict[str, Any] = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def arguments(**changes: Any) -> dict[str, Any]:
    return maxtext_arguments(Recipe(**PLAIN | changes), model="qwen3-0.6b", sizes={}, hardware="cpu")


def config(**changes: Any) -> dict[str, Any]:
    text = (shipped.MODELS["tiny"] / "config.json").read_text(encoding="utf-8")
    return {**json.loads(text), **changes}


@pytest.mark.parametrize(
    ("changes", "what_changes"),
    [
        ({"attention": "dot_product"}, {"attention": "dot_product"}),
        ({"mesh": Mesh(fsdp=4, tensor=2)}, {"ici_fsdp_parallelism": 4, "ici_tensor_parallelism": 2}),
        ({"remat": "none"}, {"remat_policy": "none"}),
        ({"remat": "minimal"}, {"remat_policy": "minimal"}),
        ({"disable_gradient_checkpointing": True}, {"remat_policy": "none"}),
        (
            {"remat": "custom", "remat_offload": ("decoder_layer_input", "query_proj")},
            {"remat_policy": "custom", "decoder_layer_input": "offload", "query_proj": "offload"},
        ),
        ({"max_completion_length": 50}, {"max_target_length": 2048 + 50}),
        ({"max_prompt_length": 100}, {"max_target_length": 140, "max_prefill_predict_length": 100}),
        ({"finetuning_type": "full", "bf16": True}, {"dtype": "bfloat16", "matmul_precision": "default"}),
        ({"bf16": True}, {"dtype": "bfloat16", "weight_dtype": "bfloat16", "matmul_precision": "default"}),
    ],
)
def test_a_key_changes_what_maxtext_is_told(changes: dict[str, Any], what_changes: dict[str, Any]) -> None:
    before, after = arguments(), arguments(**changes)
    assert {key: value for key, value in after.items() if before.get(key) != value} == what_changes


def test_trained_weights_stay_in_float32() -> None:
    assert arguments(bf16=True, finetuning_type="full")["weight_dtype"] == "float32"
    assert arguments(bf16=True, finetuning_type="lora")["weight_dtype"] == "bfloat16"


def test_the_tiny_model_is_a_small_one_of_its_family() -> None:
    assert model_of(config(), None) == "qwen3-0.6b"
    assert model_of(config(), "qwen3-8b") == "qwen3-8b"
    told = sizes_of(config())
    assert (told["base_num_decoder_layers"], told["base_emb_dim"], told["head_dim"]) == (2, 128, 32)
    assert told["logits_via_embedding"]
    assert not sizes_of(config(), tied=False)["logits_via_embedding"]
    assert maxtext_faults(config()) == []


@pytest.mark.parametrize(
    ("changes", "problem", "fix"),
    [
        ({"model_type": "gpt2"}, "has model_type gpt2", "use engine: trl"),
        ({"model_type": "gemma3_text"}, "has model_type gemma3_text", "use engine: tunix"),
        ({"attention_bias": True}, "has attention_bias", "use engine: trl"),
        ({"rope_parameters": LLAMA_31}, "has rope_type llama3", "use engine: tunix"),
        (
            {"model_type": "llama", "rope_parameters": LLAMA_31 | {"factor": 32.0}},
            "has factor 32.0",
            "use engine: tunix",
        ),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 0.5}}, "has rope_theta 0.5", "use engine: tunix"),
    ],
)
def test_a_model_that_maxtext_computes_otherwise_is_refused(changes: dict[str, Any], problem: str, fix: str) -> None:
    faults = maxtext_faults(config(**changes))
    assert faults[0][0].startswith(problem)
    assert faults[0][1] == fix


def test_llama_31_is_not_refused() -> None:
    llama = config(model_type="llama", rope_parameters=LLAMA_31)
    assert maxtext_faults(llama) == []
    assert sizes_of(llama)["rope_use_scale"]
    assert not sizes_of(config(model_type="llama"))["rope_use_scale"]


@pytest.mark.parametrize(
    ("read", "named", "message"),
    [
        (config(), "qwen3-8", "is qwen3-8, and config.json is of qwen3; did you mean qwen3-8b?"),
        (config(), "llama3.1-8b", "is llama3.1-8b, and config.json is of qwen3; use one of qwen3-0.6b, "),
        ({}, "gemma3-4b", "is gemma3-4b, which is no model that this engine knows of MaxText's; use one of qwen3-0.6b"),
        ({}, None, "is empty, which is no model that this engine knows of MaxText's; use one of qwen3-0.6b"),
    ],
)
def test_another_model_s_name_is_one_line(read: dict[str, Any], named: str | None, message: str) -> None:
    with pytest.raises(ModelError) as told:
        model_of(read, named)
    assert str(told.value).startswith(f"maxtext_model: {message}")


def test_a_checkpoint_is_what_it_is_named() -> None:
    assert model_of({}, "llama3.1-8b") == "llama3.1-8b"
