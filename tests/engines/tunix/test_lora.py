"""Adapters on a Tunix model are PEFT's: the same start, the same scores, the same files."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hf_models import FAMILIES, distance, jax_logits, make_torch_model, torch_logits

pytest.importorskip("tunix")
pytest.importorskip("peft")

import jax
import numpy as np
from flax import nnx
from safetensors.numpy import save_file
from tunix.rl.utils import is_sharing_backbone

from grpoctl.engines.tunix.lora import adapter_config, adapter_tensors, add_lora, put_adapter
from grpoctl.engines.tunix.models import hf_tensors, load_model, make_mesh
from grpoctl.engines.tunix.quantise import quantise_for_training
from grpoctl.errors import ModelError


def loaded(folder: Path, dtype: str = "float32") -> Any:
    return load_model(folder, make_mesh(1, 1), dtype=dtype, param_dtype=dtype, remat="none")


def adapted(model: Any, target: tuple[str, ...] = ("all",), **others: Any) -> Any:
    return add_lora(model, rank=4, scale=2.0, target=target, seed=1, **others)


def trained(model: Any) -> dict[str, Any]:
    """Adapters as some training might leave them."""
    numbers: Any = np.random.default_rng(3)
    return {
        name: tensor if "lora_A" in name else numbers.normal(0, 0.3, tensor.shape).astype(np.float32)
        for name, tensor in adapter_tensors(model).items()
    }


def of_peft(torch_model: Any, tensors: dict[str, Any], folder: Path, target: tuple[str, ...]) -> Any:
    from peft import PeftModel

    save_file(tensors, folder / "adapter_model.safetensors")
    settings = adapter_config(base="base", rank=4, alpha=8.0, target=target)
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return PeftModel.from_pretrained(torch_model, folder).eval()


@pytest.mark.parametrize(
    ("family", "target", "changes"),
    [
        *((family, ("all",), {"num_hidden_layers": 2}) for family in FAMILIES),
        ("gemma3_text", ("k_proj", "mlp.up_proj"), {"num_hidden_layers": 2, "num_key_value_heads": 4}),
        ("qwen3", ("q_proj", "lm_head"), {"tie_word_embeddings": False}),
    ],
)
def test_peft_loads_the_adapters_and_scores_the_same(
    family: str, target: tuple[str, ...], changes: dict[str, Any], tmp_path: Path
) -> None:
    torch_model = make_torch_model(family, tmp_path, **changes)
    model = adapted(loaded(tmp_path), target)
    put_adapter(model, trained(model))
    peft_model = of_peft(torch_model, adapter_tensors(model), tmp_path, target)
    theirs = torch_logits(peft_model)
    assert distance(jax_logits(model), theirs) < 1e-5
    with peft_model.disable_adapter():
        assert distance(torch_logits(peft_model), theirs) > 0.1
    names = {name.replace(".default", "") for name, _ in peft_model.named_parameters() if "lora_" in name}
    assert names == adapter_tensors(model).keys()


def test_adapters_start_as_pefts_do(tmp_path: Path) -> None:
    make_torch_model("qwen3", tmp_path)
    model = loaded(tmp_path)
    tensors = adapter_tensors(adapted(model))
    for name, tensor in tensors.items():
        if "lora_B" in name:
            assert not tensor.any()
            continue
        # uniform between -1/sqrt(in) and 1/sqrt(in), whose deviation is a third of the root of its variance
        bound = 1 / math.sqrt(tensor.shape[1])
        assert np.abs(tensor).max() <= bound
        assert float(tensor.std()) == pytest.approx(bound / math.sqrt(3), rel=0.15)
    again, other = (
        adapter_tensors(adapted(model)),
        adapter_tensors(add_lora(model, rank=4, scale=2.0, target=("all",), seed=2)),
    )
    assert all(np.array_equal(tensors[name], again[name]) for name in tensors)
    assert not any(np.array_equal(tensors[name], other[name]) for name in tensors if "lora_A" in name)


def test_adapters_come_back_to_the_bit(tmp_path: Path) -> None:
    make_torch_model("qwen2", tmp_path)
    model = adapted(loaded(tmp_path))
    tensors = trained(model)
    put_adapter(model, tensors)
    back = adapter_tensors(model)
    assert back.keys() == tensors.keys()
    assert all(np.array_equal(back[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("family", ["qwen3", "llama", "gemma3_text"])
def test_adapters_are_float32_beside_bfloat16_weights_and_change_no_type(family: str, tmp_path: Path) -> None:
    make_torch_model(family, tmp_path, num_hidden_layers=1)
    base = loaded(tmp_path, "bfloat16")
    model = adapted(base)
    assert {str(part.dtype) for part in jax.tree.leaves(nnx.state(model, nnx.LoRAParam))} == {"float32"}
    assert np.array_equal(jax_logits(model), jax_logits(base))  # B is zero, and nothing else may differ


@pytest.mark.parametrize("family", FAMILIES)
def test_the_base_is_shared(family: str, tmp_path: Path) -> None:
    make_torch_model(family, tmp_path)
    base = loaded(tmp_path)
    assert is_sharing_backbone(base, adapted(base))


def test_nothing_but_weights_and_adapters_is_kept_and_one_trace_is_enough(tmp_path: Path) -> None:
    make_torch_model("qwen3", tmp_path, num_hidden_layers=1)
    base = loaded(tmp_path)
    model = adapted(base)
    assert {type(part) for _, part in nnx.to_flat_state(nnx.state(model))} == {nnx.Param, nnx.LoRAParam}
    assert hf_tensors(model).keys() == hf_tensors(base).keys()
    assert _traces(model) == 1


def _traces(model: Any) -> int:
    """How often two steps trace the model."""
    ids, mask = np.arange(4)[None], np.tril(np.ones((1, 4, 4), bool))
    count = 0

    @nnx.jit
    def step(model: Any) -> Any:
        nonlocal count
        count += 1
        loss = lambda model: model(ids, ids, None, mask)[0].std()  # noqa: E731
        return nnx.grad(loss, argnums=nnx.DiffState(0, nnx.LoRAParam))(model)

    for _ in range(2):
        gradients = step(model)
    assert any(np.abs(np.asarray(part)).max() > 0 for part in jax.tree.leaves(gradients))
    return count


def test_a_layer_that_the_model_lacks_is_refused(tmp_path: Path) -> None:
    make_torch_model("qwen3", tmp_path, tie_word_embeddings=True)
    model = loaded(tmp_path)
    for name in ("c_attn", "lm_head", "embed_tokens", "q_norm"):
        with pytest.raises(ModelError, match=f"lora_target: names {name}"):
            adapted(model, ("q_proj", name))


def test_adapters_of_another_training_are_refused(tmp_path: Path) -> None:
    make_torch_model("qwen3", tmp_path)
    model = adapted(loaded(tmp_path), ("q_proj",))
    tensors = adapter_tensors(model)
    first = next(iter(tensors))
    with pytest.raises(ModelError, match="lacks base_model"):
        put_adapter(model, {name: tensor for name, tensor in tensors.items() if name != first})
    with pytest.raises(ModelError, match=r"has base_model\.model\.model\.layers\.9"):
        put_adapter(model, tensors | {"base_model.model.model.layers.9": tensors[first]})
    with pytest.raises(ModelError, match=r"of shape \[8, 64\]"):
        put_adapter(model, tensors | {first: np.ones((8, 64))})


@pytest.mark.parametrize(
    ("family", "weight_qtype", "tile_size", "most"),
    [
        ("qwen3", "int8", None, 0.05),
        ("qwen2", "int4", 32, 0.6),
        ("llama", "nf4", 24, 0.6),
        ("gemma3_text", "nf4", 64, 0.6),
    ],
)
def test_quantised_weights_stay_near(
    family: str, weight_qtype: str, tile_size: int | None, most: float, tmp_path: Path
) -> None:
    make_torch_model(family, tmp_path, num_hidden_layers=1)
    base = loaded(tmp_path)
    # One layer has adapters, and all are quantised.
    model = adapted(base, ("v_proj",), weight_qtype=weight_qtype, tile_size=tile_size)
    assert 1e-3 < distance(jax_logits(model), jax_logits(base)) < most
    kept = sum(part.nbytes for part in jax.tree.leaves(nnx.state(model, nnx.Not(nnx.LoRAParam))))
    assert kept < 0.5 * sum(part.nbytes for part in jax.tree.leaves(nnx.state(base)))


def test_adapters_on_quantised_weights_learn(tmp_path: Path) -> None:
    make_torch_model("llama", tmp_path, num_hidden_layers=1)
    assert _traces(adapted(loaded(tmp_path), weight_qtype="nf4", tile_size=64)) == 1


def test_training_for_quantisation_rounds_what_it_computes_and_keeps_whole_weights(tmp_path: Path) -> None:
    make_torch_model("gemma3_text", tmp_path, num_hidden_layers=1)
    base = loaded(tmp_path)
    rounded = quantise_for_training(base, 8)
    assert hf_tensors(rounded).keys() == hf_tensors(base).keys()
    assert is_sharing_backbone(base, rounded)
    plain, own = (_direction(model) for model in (base, rounded))
    assert 0.95 < float(plain @ own) < 0.99999


def _direction(model: Any) -> Any:
    # Token 0 pads in Gemma 3: its embedding is zero, where a norm has no useful gradient.
    ids, places, mask = np.arange(1, 9)[None], np.arange(8)[None], np.tril(np.ones((1, 8, 8), bool))
    gradient = nnx.jit(nnx.grad(lambda model: model(ids, places, None, mask)[0].std()))(model)
    flat = np.concatenate([np.asarray(part).ravel() for part in jax.tree.leaves(gradient)])
    return flat / np.linalg.norm(flat)
