"""What TRL's export has of its own: every kind of adapter that PEFT knows, one on the other, and files of a size."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import torch
from engines.adapters import TINY
from engines.plain import distance, logits, plain, tensors
from peft import LoraConfig, PeftModel, get_peft_model

from grpoctl.engines.trl import load
from grpoctl.engines.trl.export import export
from grpoctl.engines.trl.rollout import core_of, merged_adapters
from grpoctl.errors import InputError, ModelError
from grpoctl.recipe.load import load_recipe
from grpoctl.recipe.schema import Recipe

END = 2

# The tiny model's 346,880 numbers are 1.39 MB in float32; its embeddings, the largest part, are 400 x 128 x 4 bytes.
EMBEDDINGS = 204_800

pytestmark = [
    # What peft says of adapters on tied embeddings while the tests make some; what comes of them is tested here.
    pytest.mark.filterwarnings("ignore:(?s).*tie_word_embeddings"),
    pytest.mark.filterwarnings("ignore:(?s).*tied_target_modules"),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`"),
]


def recipe(*overrides: str) -> Recipe:
    return load_recipe("quickstart", list(overrides))


@pytest.fixture
def adapter(tmp_path: Path) -> Callable[..., Path]:
    """Saves adapters that change the model a good deal, as a run leaves them."""

    def make(name: str = "adapter", base: Any = None, seed: int = 0, **how: Any) -> Path:
        torch.manual_seed(seed)
        how = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", **how}
        model = get_peft_model(plain(TINY) if base is None else base, LoraConfig(task_type="CAUSAL_LM", **how))
        with torch.no_grad():
            for key, weight in model.named_parameters():
                if weight.requires_grad:
                    weight += 0.02 * torch.randn_like(weight) if "magnitude" not in key else 0.3
        folder = tmp_path / name
        model.save_pretrained(str(folder))
        return folder

    return make


# --- adapters merged

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dora": {"use_dora": True},
    "rank-stabilised": {"use_rslora": True},
    "embeddings trained whole": {"modules_to_save": ["embed_tokens"]},
    "head trained whole": {"modules_to_save": ["lm_head"]},
    "adapters on the embeddings": {"target_modules": ["embed_tokens", "q_proj"]},
    "adapters on the head": {"target_modules": ["lm_head", "q_proj"]},
    "adapters on both, apart": {"target_modules": ["embed_tokens", "lm_head"]},
    "embeddings trained whole, tied": {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    "adapters on the embeddings, tied": {"target_modules": ["embed_tokens"], "ensure_weight_tying": True},
}


@pytest.mark.parametrize("kind", KINDS)
def test_merged_adapters_give_the_logits_of_base_and_adapters(
    kind: str, adapter: Callable[..., Path], tmp_path: Path
) -> None:
    trained = adapter(**KINDS[kind])
    done = export(recipe(), TINY, trained, tmp_path / "out")
    model = plain(tmp_path / "out")
    assert distance(model, PeftModel.from_pretrained(plain(TINY), trained)) < 1e-5
    assert distance(model, plain(TINY)) > 0.1, "the adapters change too little for this to show anything"
    assert (done.format, done.dtype) == ("hf", "float32")
    assert done.parameters == model.num_parameters()


@pytest.mark.parametrize("kind", ["plain", "rank-stabilised"])
def test_the_weights_are_those_that_answers_were_drawn_with(
    kind: str, adapter: Callable[..., Path], tmp_path: Path
) -> None:
    """As an evaluation of the run opens it: so the exported model gives the answers that were counted."""
    trained = adapter(**KINDS[kind])
    export(recipe(), TINY, trained, tmp_path / "out")
    opened = load.load_model(recipe(f"adapter_name_or_path={trained}"), TINY)
    with merged_adapters(opened):
        assert torch.equal(logits(plain(tmp_path / "out")), logits(core_of(opened)))


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_stay_one_weight_where_training_left_them_one(
    kind: str, adapter: Callable[..., Path], tmp_path: Path
) -> None:
    export(recipe(), TINY, adapter(**KINDS[kind]), tmp_path / "out")
    apart = ("embeddings" in kind or "head" in kind or "both" in kind) and "tied" not in kind
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is not apart
    assert ("lm_head.weight" in tensors(tmp_path / "out")) is apart


def test_start_adapters_before_the_last_are_merged_first(adapter: Callable[..., Path], tmp_path: Path) -> None:
    first = adapter("first", use_dora=True)
    merged = PeftModel.from_pretrained(plain(TINY), first).merge_and_unload()
    second, trained = adapter("second", merged, seed=1), adapter("trained", seed=2, use_dora=True)
    export(recipe(f"adapter_name_or_path={first},{second}"), TINY, trained, tmp_path / "out")
    under = PeftModel.from_pretrained(plain(TINY), first).merge_and_unload()
    assert distance(plain(tmp_path / "out"), PeftModel.from_pretrained(under, trained)) < 1e-5


def test_a_base_that_is_quantised_itself_takes_nothing_in(adapter: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(TINY, folder)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        InputError, match=r"is quantised \(gptq\), so nothing is merged into it; set model_name_or_path"
    ):
        export(recipe(), folder, adapter(), tmp_path / "out")


def test_adapters_that_are_no_numbers_are_one_line(adapter: Callable[..., Path], tmp_path: Path) -> None:
    model = PeftModel.from_pretrained(plain(TINY), adapter(), is_trainable=True)
    next(weight for weight in model.parameters() if weight.requires_grad).data.fill_(float("nan"))
    model.save_pretrained(str(tmp_path / "broken"))
    with pytest.raises(ModelError) as failure:
        export(recipe(), TINY, tmp_path / "broken", tmp_path / "out")
    assert str(failure.value).startswith(f"{tmp_path / 'broken'}: cannot be merged (NaNs detected")
    assert "\n" not in str(failure.value)


# --- a model that no run made


def test_every_adapter_that_is_named_is_merged(adapter: Callable[..., Path], tmp_path: Path) -> None:
    first = adapter("first")
    second = adapter("second", seed=1)
    export(recipe(f"adapter_name_or_path={first},{second}"), TINY, None, tmp_path / "out")
    model = PeftModel.from_pretrained(plain(TINY), first).merge_and_unload()
    assert distance(plain(tmp_path / "out"), PeftModel.from_pretrained(model, second)) < 1e-5


def test_an_adapter_with_magnitudes_goes_alone_too(adapter: Callable[..., Path], tmp_path: Path) -> None:
    trained = adapter(use_dora=True)
    (tmp_path / "out").mkdir()
    done = export(recipe(), TINY, trained, tmp_path / "out", adapter_only=True)
    model = PeftModel.from_pretrained(plain(TINY), tmp_path / "out")
    assert distance(model, PeftModel.from_pretrained(plain(TINY), trained)) == 0
    assert done.parameters == sum(tensor.numel() for tensor in tensors(trained).values())


def test_an_adapter_that_stands_on_others_cannot_be_had_alone(adapter: Callable[..., Path], tmp_path: Path) -> None:
    started = recipe(f"adapter_name_or_path={adapter('first')},{adapter('second')}")
    with pytest.raises(InputError, match="stands on first, merged into the base first; leave it out"):
        export(started, TINY, adapter(), tmp_path / "out", adapter_only=True)


# --- files


def test_a_file_of_weights_holds_so_many_bytes_at_most(adapter: Callable[..., Path], tmp_path: Path) -> None:
    trained, folder = adapter(), tmp_path / "out"
    export(recipe(), TINY, trained, folder, shard_bytes=EMBEDDINGS)
    files = sorted(folder.glob("*.safetensors"))
    # Embeddings 205 KB, and two layers of 591 KB whose weights are of 131, 66 or 33 KB: six files at the least.
    assert len(files) >= 6
    assert all(file.name.startswith("model-0000") for file in files)
    assert all(file.stat().st_size < EMBEDDINGS + 4096 for file in files), "their heads come on top"
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    assert index.keys() == tensors(folder).keys()
    assert set(index.values()) == {file.name for file in files}
    assert distance(plain(folder), PeftModel.from_pretrained(plain(TINY), trained)) < 1e-5


def test_the_recipe_gives_the_size_of_a_file_in_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import PreTrainedModel

    asked: list[int] = []
    save = PreTrainedModel.save_pretrained

    def note(self: Any, *args: Any, max_shard_size: int, **kwargs: Any) -> None:
        asked.append(max_shard_size)
        save(self, *args, max_shard_size=max_shard_size, **kwargs)

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", note)
    export(recipe("export_size=3"), TINY, None, tmp_path / "out")
    assert asked == [3_000_000_000]


def test_what_llama_cpps_converter_reads_is_there(adapter: Callable[..., Path], tmp_path: Path) -> None:
    """By the source of its convert_hf_to_gguf.py and gguf/vocab.py; it is not run here.

    It finds its model class by config.json's architectures, its weights in files called model*.safetensors, where an
    index has to name exactly what they hold, and tokens, merges and special tokens in the tokenizer's JSON files.
    """
    export(recipe(), TINY, adapter(), tmp_path / "out", shard_bytes=EMBEDDINGS)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["Qwen3ForCausalLM"]
    assert {"vocab_size", "num_hidden_layers", "hidden_size", "num_attention_heads"} <= config.keys()
    weights = [path.name for path in (tmp_path / "out").iterdir() if path.suffix in (".safetensors", ".bin", ".pt")]
    assert weights
    assert all(name.startswith("model") and name.endswith(".safetensors") for name in weights)
    # Names as the architecture has them, without peft's.
    names = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())["weight_map"].keys()
    assert names == tensors(TINY).keys()
    tokenizer = json.loads((tmp_path / "out" / "tokenizer.json").read_text())
    assert tokenizer["model"]["type"] == "BPE"
    assert tokenizer["model"]["merges"]
    added = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    end = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())["eos_token"]
    assert added[end] == END < config["vocab_size"]
