"""A Hugging Face folder becomes a Tunix model with the same scores, and comes back to the bit."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hf_models import FAMILIES, distance, jax_logits, make_torch_model, torch_logits

pytest.importorskip("tunix")
pytest.importorskip("torch")

import jax
import numpy as np
from flax import nnx
from safetensors.numpy import load_file, save_file

from grpoctl import shipped
from grpoctl.engines.tunix.models import hf_tensors, load_model, make_mesh
from grpoctl.errors import InputError, ModelError


def loaded(folder: Path, **changes: str) -> Any:
    how = {"dtype": "float32", "param_dtype": "float32", "remat": "none"} | changes
    return load_model(folder, make_mesh(1, 1), **how)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("qwen3", {"tie_word_embeddings": True}),
        ("qwen3", {"tie_word_embeddings": False, "num_key_value_heads": 4}),
        ("qwen2", {"tie_word_embeddings": True, "num_key_value_heads": 1}),
        ("qwen2", {"tie_word_embeddings": False}),
        ("llama", {"tie_word_embeddings": True}),
        ("llama", {"tie_word_embeddings": False, "rms_norm_eps": 1e-2}),
        ("gemma3_text", {}),
        ("gemma3_text", {"num_key_value_heads": 4, "rms_norm_eps": 1e-2}),  # one tensor for all three in Tunix
        ("gemma3_text", {"num_key_value_heads": 1, "head_dim": 32, "query_pre_attn_scalar": 32}),
    ],
)
def test_a_left_padded_batch_scores_as_in_transformers_and_every_tensor_comes_back(
    family: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    model = make_torch_model(family, tmp_path, **changes)
    ours = loaded(tmp_path)
    assert distance(jax_logits(ours), torch_logits(model)) < 1e-5
    _same(hf_tensors(ours), load_file(tmp_path / "model.safetensors"))


def _same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours.keys() == theirs.keys()
    assert all(
        ours[name].dtype == tensor.dtype and ours[name].tobytes() == tensor.tobytes() for name, tensor in theirs.items()
    )


def test_a_model_in_several_files_is_read(tmp_path: Path) -> None:
    model = make_torch_model("qwen3", tmp_path, shards="60KB")
    files = list(tmp_path.glob("*.safetensors"))
    assert len(files) > 2
    _same(hf_tensors(loaded(tmp_path)), {name: tensor.numpy() for name, tensor in model.state_dict().items()})


def test_the_models_that_are_shipped_load() -> None:
    folder = shipped.MODELS["tiny"]
    _same(hf_tensors(loaded(folder)), load_file(folder / "model.safetensors"))


def test_tensors_of_several_types_in_one_file_keep_their_values(tmp_path: Path) -> None:
    import ml_dtypes

    make_torch_model("qwen3", tmp_path, tie_word_embeddings=False)
    file = tmp_path / "model.safetensors"
    types = [np.float32, np.float16, ml_dtypes.bfloat16]
    mixed = {name: tensor.astype(types[n % 3]) for n, (name, tensor) in enumerate(load_file(file).items())}
    save_file(mixed, file)
    _same(hf_tensors(loaded(tmp_path)), {name: tensor.astype(np.float32) for name, tensor in mixed.items()})


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_weights_compute_in_bfloat16(family: str, tmp_path: Path) -> None:
    model = make_torch_model(family, tmp_path, num_hidden_layers=1)
    ours = loaded(tmp_path, dtype="bfloat16")
    assert {str(part.dtype) for part in jax.tree.leaves(nnx.state(ours))} == {"float32"}
    logits = jax_logits(ours)
    assert logits.dtype == np.float32
    # bfloat16 keeps 8 bits: what is computed in float32 would be a thousand times nearer.
    assert 1e-3 < distance(logits, torch_logits(model)) < 0.1
    _same(hf_tensors(ours), load_file(tmp_path / "model.safetensors"))


def test_what_is_computed_twice_changes_no_gradient(tmp_path: Path) -> None:
    make_torch_model("qwen2", tmp_path, num_hidden_layers=1)
    gradients = {remat: _gradients(loaded(tmp_path, remat=remat)) for remat in ("none", "minimal", "full")}
    for others in (gradients["minimal"], gradients["full"]):
        assert np.allclose(others, gradients["none"], rtol=1e-4, atol=1e-5 * np.abs(others).max())


def _gradients(model: Any) -> Any:
    ids = np.arange(8)[None]
    mask = np.tril(np.ones((1, 8, 8), bool))
    gradient = nnx.jit(nnx.grad(lambda model: model(ids, ids, None, mask)[0].std()))(model)
    return np.concatenate([np.asarray(part).ravel() for part in jax.tree.leaves(gradient)])


def test_a_head_that_differs_from_tied_embeddings_is_kept_as_transformers_does(tmp_path: Path) -> None:
    make_torch_model("llama", tmp_path, tie_word_embeddings=True)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    embedding = tensors["model.embed_tokens.weight"]
    save_file(tensors | {"lm_head.weight": embedding.copy()}, file)
    assert "lm_head.weight" not in hf_tensors(loaded(tmp_path))
    save_file(tensors | {"lm_head.weight": embedding + 1}, file)
    assert np.array_equal(hf_tensors(loaded(tmp_path))["lm_head.weight"], embedding + 1)


def _without(tensors: dict[str, Any], name: str) -> dict[str, Any]:
    return {each: tensor for each, tensor in tensors.items() if each != name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors: _without(tensors, "model.norm.weight"), "lacks model.norm.weight"),
        (lambda tensors: tensors | {"model.extra": np.ones(2)}, "has model.extra, which Tunix's model has no place"),
        (lambda tensors: tensors | {"model.norm.weight": np.ones(3)}, "model.norm.weight of shape [3]"),
    ],
)
def test_a_folder_that_is_not_the_model_of_its_config_is_refused(change: Any, said: str, tmp_path: Path) -> None:
    make_torch_model("qwen3", tmp_path)
    file = tmp_path / "model.safetensors"
    save_file(change(load_file(file)), file)
    with pytest.raises(ModelError) as refused:
        loaded(tmp_path)
    assert said in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    make_torch_model("qwen3", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelError, match=r"no readable model\.safetensors"):
        loaded(tmp_path)


def test_a_config_that_tunix_does_not_honour_is_refused_before_weights_are_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "mistral"}')
    with pytest.raises(ModelError, match="mistral"):
        loaded(tmp_path)


def test_more_devices_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match="mesh: asks for 64 x 2 devices, and there are"):
        make_mesh(64, 2)


def test_four_devices_give_the_scores_of_one(tmp_path: Path) -> None:
    for family in FAMILIES:
        np.save(tmp_path / f"{family}.npy", torch_logits(make_torch_model(family, tmp_path / family)))
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    tests = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _ON_FOUR, str(tmp_path), tests],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.stdout.split() == [*FAMILIES, "refused"], done.stderr


_ON_FOUR = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import jax
import numpy as np
from flax import nnx
from hf_models import FAMILIES, distance, jax_logits
from grpoctl.engines.tunix.lora import adapter_tensors, add_lora, put_adapter
from grpoctl.engines.tunix.models import load_model, make_mesh
from grpoctl.errors import ModelError

mesh = make_mesh(2, 2)
how = {"dtype": "float32", "param_dtype": "float32", "remat": "none"}
for family in FAMILIES:
    model = load_model(Path(sys.argv[1]) / family, mesh, **how)
    adapted = add_lora(model, rank=4, scale=2.0, target=("all",), seed=1)
    places = [part.sharding for part in jax.tree.leaves(nnx.state(adapted))]
    put_adapter(adapted, adapter_tensors(adapted))
    assert places == [part.sharding for part in jax.tree.leaves(nnx.state(adapted))]
    gate = model.layers[0].mlp.gate_proj.kernel[...]
    assert gate.addressable_shards[0].data.shape == (32, 48), gate.sharding
    expected = np.load(Path(sys.argv[1]) / f"{family}.npy")
    quantised = add_lora(model, rank=4, scale=2.0, target=("q_proj",), seed=1, weight_qtype="nf4", tile_size=64)
    assert quantised.layers[0].mlp.gate_proj.kernel.array.qvalue[...].addressable_shards[0].data.shape == (32, 48)
    # Compiling takes most of the time, so that all is computed with one model alone.
    for each in (model, adapted) if family == "qwen3" else ():
        assert distance(jax_logits(each), expected) < 1e-4
    print(family)
try:
    load_model(Path(sys.argv[1]) / "qwen3", make_mesh(1, 3), **how)
except ModelError as error:
    assert str(error).startswith("mesh: does not share "), error
    print("refused")
"""
