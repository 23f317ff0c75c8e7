"""MaxText's models compute what Tunix's do, take the same weights and adapters, and give them back to the bit."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("maxtext")
# What MaxText stands on is full of things that are to go in later versions.
pytestmark = [pytest.mark.filterwarnings("ignore")]

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import nnx
from safetensors.numpy import load_file, save_file

from grpoctl import shipped
from grpoctl.engines.tunix import maxtext, maxtext_lora, models
from grpoctl.engines.tunix.maxtext_arguments import maxtext_arguments, model_of, sizes_of
from grpoctl.engines.tunix.maxtext_weights import hf_tensors
from grpoctl.errors import ModelError
from grpoctl.recipe.schema import Recipe

TINY = shipped.MODELS["tiny"]
LLAMA = {
    "model_type": "llama",
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 112,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "rope_parameters": {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
    "tie_word_embeddings": False,
}
QWEN_25 = {
    **{name: value for name, value in LLAMA.items() if name not in ("head_dim", "rope_parameters")},
    "model_type": "qwen2",
    "tie_word_embeddings": True,
}
ADAPTED: dict[str, Any] = {"rank": 4, "scale": 2.0, "target": ("all",), "seed": 0}

Load = Callable[..., Any]


def arguments(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"engine": "maxtext", "model_name_or_path": "tiny", "dataset": ("x",), "bf16": False}
    recipe = Recipe(**plain | {"finetuning_type": "full"} | changes)
    return maxtext_arguments(recipe, model=model_of(config, None), sizes=sizes_of(config), hardware="cpu")


def config_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))


def load(folder: Path, **changes: Any) -> Any:
    return maxtext.load_model(folder, arguments(config_of(folder), **changes))[0]


def made(folder: Path, config: dict[str, Any]) -> Path:
    """A folder of that architecture with weights drawn anew."""
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    numbers, heads = np.random.default_rng(0), config["num_attention_heads"]
    wide = config.get("head_dim", config["hidden_size"] // heads)
    outputs = {"q": heads * wide, "k": config["num_key_value_heads"] * wide, "v": config["num_key_value_heads"] * wide}
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {"embed_tokens": (config["vocab_size"], hidden), "norm": (hidden,)}
    for number in range(config["num_hidden_layers"]):
        layer = f"layers.{number}."
        shapes |= {f"{layer}self_attn.{part}_proj": (size, hidden) for part, size in outputs.items()}
        shapes |= {f"{layer}{norm}": (hidden,) for norm in ("input_layernorm", "post_attention_layernorm")}
        shapes |= {f"{layer}mlp.gate_proj": (inner, hidden), f"{layer}mlp.up_proj": (inner, hidden)}
        shapes |= {f"{layer}self_attn.o_proj": (hidden, heads * wide), f"{layer}mlp.down_proj": (hidden, inner)}
    names = {f"model.{name}.weight": shape for name, shape in shapes.items()}
    if not config["tie_word_embeddings"]:
        names["lm_head.weight"] = shapes["embed_tokens"]
    if config["model_type"] == "qwen2":
        names |= {
            f"model.layers.{number}.self_attn.{part}_proj.bias": (size,)
            for number in range(config["num_hidden_layers"])
            for part, size in outputs.items()
        }
    tensors = {name: numbers.normal(0, 0.2, shape).astype(np.float32) for name, shape in names.items()}
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def tiny() -> Any:
    return load(TINY)


@pytest.fixture(scope="module")
def llama_model(llama: Path) -> Any:
    return load(llama)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("llama"), LLAMA)


@jax.jit
def _scores(model: Any, ids: jax.Array, positions: jax.Array, mask: jax.Array) -> jax.Array:
    scores: jax.Array = model(ids, positions, None, mask)[0]
    return scores


def scores(model: Any, ids: Any) -> Any:
    """The scores of every token, which -1 in front of a row does not count as."""
    valid = ids != -1
    causal = np.tril(np.ones((ids.shape[1], ids.shape[1]), bool))
    positions = np.maximum(np.cumsum(valid, axis=1) - 1, 0)
    return np.asarray(_scores(model, ids, positions, valid[:, None, :] & causal))


def some_ids(vocabulary: int = 96) -> Any:
    return np.random.default_rng(0).integers(0, vocabulary, (2, 24)).astype(np.int32)


def from_tunix(folder: Path) -> Any:
    how = {"dtype": "float32", "param_dtype": "float32", "remat": "none"}
    return scores(models.load_model(folder, models.make_mesh(1, 1), **how), some_ids())


def test_a_qwen_3_computes_what_tunix_computes_and_comes_back_to_the_bit(tiny: Any) -> None:
    assert_same(TINY, tiny)


def test_a_llama_computes_what_tunix_computes_and_comes_back_to_the_bit(llama: Path, llama_model: Any) -> None:
    assert_same(llama, llama_model)


def test_a_qwen_25_computes_what_tunix_computes_and_comes_back_to_the_bit(tmp_path: Path) -> None:
    folder = made(tmp_path, QWEN_25)
    assert_same(folder, load(folder))


def assert_same(folder: Path, model: Any) -> None:
    assert np.abs(scores(model, some_ids()) - from_tunix(folder)).max() < 5e-5
    kept, back = load_file(folder / "model.safetensors"), hf_tensors(model)
    assert kept.keys() == back.keys()
    assert all(np.array_equal(kept[name], back[name]) for name in kept)


def test_padding_in_front_changes_no_score(tiny: Any) -> None:
    ids = some_ids()
    padded = np.concatenate([np.full((2, 8), -1, np.int32), ids], axis=1)
    assert np.abs(scores(tiny, padded)[:, 8:] - scores(tiny, ids)).max() < 5e-5


def test_a_checkpoint_of_maxtext_s_is_the_same_model(llama: Path, tmp_path: Path) -> None:
    model = load(llama)
    before = scores(model, some_ids())
    # As MaxText writes a Llama: the scale of the queries is in their weights.
    for layer in (model.base.decoder.layers_0, model.base.decoder.layers_1):
        kernel = layer.self_attention.query.kernel
        kernel.set_value(kernel[...] / 32**0.5)
    weights = nnx.to_pure_dict(nnx.state(model.base, nnx.Param))
    with ocp.PyTreeCheckpointer() as orbax:
        orbax.save(tmp_path / "items", {"params": {"params": weights}})
    again = maxtext.load_model(str(tmp_path / "items"), arguments(LLAMA))[0]
    assert np.abs(scores(again, some_ids()) - before).max() < 5e-5


def test_adapters_start_at_nothing_and_come_back_to_the_bit(llama: Path, llama_model: Any, tmp_path: Path) -> None:
    adapted = maxtext_lora.add_lora(llama_model, **ADAPTED)
    assert np.abs(scores(adapted, some_ids()) - scores(llama_model, some_ids())).max() < 5e-5
    numbers = np.random.default_rng(1)
    given = {
        name: np.asarray(numbers.normal(0, 0.1, value.shape), np.float32)
        for name, value in maxtext_lora.adapter_tensors(adapted).items()
    }
    maxtext_lora.put_adapter(adapted, given)
    back = maxtext_lora.adapter_tensors(adapted)
    assert given.keys() == back.keys()
    assert all(np.array_equal(given[name], back[name]) for name in given)
    # What peft does: W + scale B A.
    merged = load_file(llama / "model.safetensors")
    for name in merged:
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{stem}.lora_A.weight" in given:
            merged[name] += 2.0 * given[f"{stem}.lora_B.weight"] @ given[f"{stem}.lora_A.weight"]
    (tmp_path / "config.json").write_text(json.dumps(LLAMA), encoding="utf-8")
    save_file(merged, tmp_path / "model.safetensors")
    difference = scores(adapted, some_ids()) - scores(load(tmp_path), some_ids())
    assert np.abs(difference).max() < 5e-5


def test_only_the_named_layers_get_adapters(tiny: Any) -> None:
    adapted = maxtext_lora.add_lora(tiny, **ADAPTED | {"target": ("q_proj",)})
    assert {name.split(".")[-3] for name in maxtext_lora.adapter_tensors(adapted)} == {"q_proj"}
    with pytest.raises(ModelError, match="names w_proj, and this model's layers are down_proj"):
        maxtext_lora.add_lora(tiny, **ADAPTED | {"target": ("w_proj",)})


def test_quantised_weights_compute_nearly_the_same(tiny: Any) -> None:
    before = scores(tiny, some_ids())
    eight = maxtext_lora.add_lora(tiny, **ADAPTED, weight_qtype="int8")
    assert 0.001 < np.abs(scores(eight, some_ids()) - before).max() < 0.5
    rounded = maxtext_lora.quantise_for_training(tiny, 8)
    assert 0.001 < np.abs(scores(rounded, some_ids()) - before).max() < 1.0


def flops(remat: str) -> float:
    model = load(TINY, remat=remat)
    graph, state = nnx.split(model)
    ids = some_ids()
    positions = np.tile(np.arange(ids.shape[1]), (2, 1))

    def loss(held: Any) -> jax.Array:
        scores: jax.Array = nnx.merge(graph, held, copy=True)(ids, positions, None, None)[0]
        return scores.mean()

    parameters, others = nnx.split_state(state, nnx.Param, ...)
    lowered = jax.jit(lambda held: jax.grad(lambda own: loss(nnx.merge_state(own, others)))(held)).lower(parameters)
    return float((lowered.cost_analysis() or {})["flops"])


def test_remat_none_computes_nothing_twice() -> None:
    assert flops("full") > 1.15 * flops("none")


def test_bfloat16_weights_compute_in_it() -> None:
    model = load(TINY, bf16=True, finetuning_type="lora")
    assert str(hf_tensors(model)["model.norm.weight"].dtype) == "bfloat16"
    adapted: Any = maxtext_lora.add_lora(model, **ADAPTED)
    assert np.abs(scores(adapted, some_ids()) - scores(model, some_ids())).max() < 0.2
    assert str(adapted.base.decoder.layers_0.mlp.wo.kernel_lora_a[...].dtype) == "float32"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": "flash"}, "attention: is flash, which needs a TPU or a GPU; use autoselected."),
        ({"query_prj": "offload"}, "remat_offload: names query_prj, which no layer has; did you mean query_proj?"),
        ({"ici_fsdp_parallelism": 64}, "mesh: asks for 64 devices, and there are"),
        ({"ici_tensor_parallelism": 4}, "mesh: splits each layer in 4, and it has 2 heads of keys and values"),
        ({"dtype": "float31"}, "recipe: is not to MaxText's liking"),
    ],
)
def test_what_maxtext_cannot_do_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as told:
        maxtext.load_model(TINY, arguments(config_of(TINY)) | changes)
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


def test_a_checkpoint_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as told:
        maxtext.load_model(str(tmp_path / "items"), arguments(config_of(TINY)))
    assert str(told.value).startswith(f"maxtext_model: is qwen3-0.6b, which MaxText cannot load from {tmp_path}/items")
    assert "\n" not in str(told.value)


def test_a_folder_that_lacks_a_tensor_is_one_line(tmp_path: Path) -> None:
    tensors = load_file(TINY / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"lacks model\.norm\.weight; give a whole folder of the model"):
        maxtext.load_model(tmp_path, arguments(config_of(TINY)))


def test_no_program_is_dumped_and_no_cache_moved(tiny: Any) -> None:
    assert "xla_dump_to" not in os.environ.get("XLA_FLAGS", "")
    assert "jax_cache" not in str(jax.config.values.get("jax_compilation_cache_dir"))


SPLIT = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import test_maxtext as t
from grpoctl.recipe.keys.devices import Mesh
one, four = (t.load(t.TINY, mesh=Mesh(fsdp=n, tensor=n)) for n in (1, 2))
adapted = t.maxtext_lora.add_lora(four, **t.ADAPTED)
for model in (four, adapted):
    assert np.abs(t.scores(model, t.some_ids()) - t.scores(one, t.some_ids())).max() < 1e-4
assert four.base.decoder.layers_0.mlp.wi_0.kernel[...].sharding.spec == t.jax.sharding.PartitionSpec("fsdp", "tensor")
"""


def test_four_devices_compute_what_one_computes() -> None:
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "ignore", "-c", SPLIT, str(Path(__file__).parent)]
    done = subprocess.run(command, env=os.environ | flags, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
