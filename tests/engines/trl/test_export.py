"""An exported folder is the model that was trained, and plain libraries read it."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from grpoctl import shipped
from grpoctl.engines.trl import load
from grpoctl.engines.trl.export import export
from grpoctl.engines.trl.rollout import core_of, merged_adapters
from grpoctl.errors import InputError, ModelError
from grpoctl.recipe.load import load_recipe
from grpoctl.recipe.schema import Recipe

TINY = shipped.MODELS["tiny"]
START, END, PAD = 1, 2, 0

# The tiny model's 346,880 numbers are 1.39 MB in float32; its embeddings, the largest part, are 400 x 128 x 4 bytes.
EMBEDDINGS = 204_800

IDS = torch.arange(3, 43).reshape(2, 20)  # whatever tokens
TURNS = [{"role": "user", "content": "12 + 30?"}, {"role": "assistant", "content": "42"}]

pytestmark = [
    # What peft says of adapters on tied embeddings while the tests make some; what comes of them is tested here.
    pytest.mark.filterwarnings("ignore:(?s).*tie_word_embeddings"),
    pytest.mark.filterwarnings("ignore:(?s).*tied_target_modules"),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`"),
]


def recipe(*overrides: str) -> Recipe:
    return load_recipe("quickstart", list(overrides))


def plain(folder: Path, **how: Any) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, **how).eval()


@torch.no_grad()
def logits(model: Any) -> Any:
    return model.eval()(input_ids=IDS).logits


def distance(one: Any, other: Any) -> float:
    """How far the logits are apart.

    Computed in float64: in float32 the same weights give logits of 15 that are off by up to 2e-5 themselves, merged or
    not, which would hide a wrong weight.
    """
    return float((logits(one.double()) - logits(other.double())).abs().max())


def tensors(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as held:  # type: ignore[no-untyped-call]
            found |= {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118, as this is no mapping
    return found


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


@pytest.fixture
def base(tmp_path: Path) -> Callable[..., Path]:
    """A copy of the tiny model's folder, with changes to the JSON files named; None takes a key out."""

    def make(name: str = "base", **changes: dict[str, Any]) -> Path:
        folder = tmp_path / name
        shutil.copytree(TINY, folder)
        for stem, values in changes.items():
            file = folder / f"{stem}.json"
            held = {**json.loads(file.read_text()), **values}
            file.write_text(json.dumps({key: value for key, value in held.items() if value is not None}))
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


def test_a_start_adapter_is_replaced_by_what_was_trained_on_it(adapter: Callable[..., Path], tmp_path: Path) -> None:
    start, trained = adapter("start"), adapter("trained", seed=1)
    export(recipe(f"adapter_name_or_path={start}"), TINY, trained, tmp_path / "out")
    expected = PeftModel.from_pretrained(plain(TINY), trained)
    assert distance(plain(tmp_path / "out"), expected) < 1e-5


def test_start_adapters_before_the_last_are_merged_first(adapter: Callable[..., Path], tmp_path: Path) -> None:
    first = adapter("first", use_dora=True)
    merged = PeftModel.from_pretrained(plain(TINY), first).merge_and_unload()
    second, trained = adapter("second", merged, seed=1), adapter("trained", seed=2, use_dora=True)
    export(recipe(f"adapter_name_or_path={first},{second}"), TINY, trained, tmp_path / "out")
    under = PeftModel.from_pretrained(plain(TINY), first).merge_and_unload()
    assert distance(plain(tmp_path / "out"), PeftModel.from_pretrained(under, trained)) < 1e-5


def test_a_sum_in_bfloat16_is_rounded_once(adapter: Callable[..., Path], tmp_path: Path) -> None:
    trained = adapter()
    done = export(recipe("bf16=true"), TINY, trained, tmp_path / "out")
    assert done.dtype == json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"
    name = "model.layers.0.mlp.up_proj.weight"
    base = plain(TINY).state_dict()[name].bfloat16().float()  # as it stood beside the adapters in training
    held = tensors(trained)
    down, up = (held[f"base_model.model.{name[:-7]}.lora_{part}.weight"] for part in "AB")
    assert torch.equal(tensors(tmp_path / "out")[name], (base + 2 * up @ down).bfloat16())  # alpha 8 / rank 4 is 2


def test_a_run_on_a_cpu_is_float32_whatever_the_base_was(
    adapter: Callable[..., Path], base: Callable[..., Path], tmp_path: Path
) -> None:
    folder = base()
    plain(TINY, dtype="bfloat16").save_pretrained(folder)
    trained = adapter()
    assert export(recipe(), folder, trained, tmp_path / "out").dtype == "float32"
    expected = PeftModel.from_pretrained(plain(folder, dtype="float32"), trained)
    assert distance(plain(tmp_path / "out"), expected) < 1e-5


def test_adapters_of_quantised_training_are_merged_into_the_whole_weights(
    adapter: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained = adapter()
    with caplog.at_level(logging.INFO, "grpoctl"):
        export(recipe("quantization_bit=4"), TINY, trained, tmp_path / "out")
    assert distance(plain(tmp_path / "out"), PeftModel.from_pretrained(plain(TINY), trained)) < 1e-5
    assert [record.message for record in caplog.records if record.name.startswith("grpoctl")] == [
        "the adapters were trained on 4-bit weights; they are merged into the unquantised ones."
    ]


def test_a_base_that_is_quantised_itself_takes_nothing_in(
    adapter: Callable[..., Path], base: Callable[..., Path], tmp_path: Path
) -> None:
    folder = base(config={"quantization_config": {"quant_method": "gptq", "bits": 4}})
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


# --- every weight trained


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_whole_weights_are_kept_to_the_bit(dtype: str, base: Callable[..., Path], tmp_path: Path) -> None:
    trained = base("trained")
    model = plain(TINY, dtype=dtype)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.01 * torch.randn_like(weight)
    model.save_pretrained(trained)
    # bf16 is how such a run computed; what it kept are the files.
    done = export(recipe("finetuning_type=full", "bf16=true"), TINY, trained, tmp_path / "out")
    kept, exported = tensors(trained), tensors(tmp_path / "out")
    assert kept.keys() == exported.keys()
    assert all(torch.equal(kept[name], exported[name]) for name in kept)
    assert {tensor.dtype for tensor in exported.values()} == {getattr(torch, dtype)}
    assert done.dtype == dtype
    assert distance(plain(tmp_path / "out"), plain(trained)) == 0


def test_a_whole_run_needs_nothing_of_its_base(base: Callable[..., Path], tmp_path: Path) -> None:
    export(recipe("finetuning_type=full"), tmp_path / "gone", base("trained"), tmp_path / "out")
    assert distance(plain(tmp_path / "out"), plain(TINY)) == 0


# --- a model that no run made


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_model_without_a_run_keeps_its_numbers(dtype: str, base: Callable[..., Path], tmp_path: Path) -> None:
    folder = base(config={"dtype": "float64"})  # which its weights belie, as happens
    weights = {name: tensor.to(getattr(torch, dtype)) for name, tensor in tensors(TINY).items()}
    from safetensors.torch import save_file

    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert export(recipe(), folder, None, tmp_path / "out").dtype == dtype
    assert all(torch.equal(tensor, weights[name]) for name, tensor in tensors(tmp_path / "out").items())


def test_every_adapter_that_is_named_is_merged(adapter: Callable[..., Path], tmp_path: Path) -> None:
    first = adapter("first")
    second = adapter("second", seed=1)
    export(recipe(f"adapter_name_or_path={first},{second}"), TINY, None, tmp_path / "out")
    model = PeftModel.from_pretrained(plain(TINY), first).merge_and_unload()
    assert distance(plain(tmp_path / "out"), PeftModel.from_pretrained(model, second)) < 1e-5


# --- adapters alone


def test_an_adapter_alone_is_loaded_by_plain_peft(adapter: Callable[..., Path], tmp_path: Path) -> None:
    trained = adapter(use_dora=True)
    (tmp_path / "out").mkdir()
    done = export(recipe(), TINY, trained, tmp_path / "out", adapter_only=True)
    model = PeftModel.from_pretrained(plain(TINY), tmp_path / "out")
    assert distance(model, PeftModel.from_pretrained(plain(TINY), trained)) == 0
    assert json.loads((tmp_path / "out" / "adapter_config.json").read_text())["base_model_name_or_path"] == str(TINY)
    numbers = sum(tensor.numel() for tensor in tensors(trained).values())
    assert (done.format, done.dtype, done.parameters) == ("peft", "float32", numbers)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_an_adapter_names_a_base_of_the_hub_as_the_recipe_did(adapter: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    made = recipe("model_name_or_path=some/tiny", "model_revision=v2")
    export(made, TINY, adapter(), tmp_path / "out", adapter_only=True)
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("some/tiny", "v2")


def test_an_adapter_names_a_base_by_its_whole_path(
    adapter: Callable[..., Path], base: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base("mine")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    export(recipe("model_name_or_path=./mine"), Path("mine"), adapter(), tmp_path / "out", adapter_only=True)
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == (str(folder), None)


def test_an_adapter_that_stands_on_others_cannot_be_had_alone(adapter: Callable[..., Path], tmp_path: Path) -> None:
    started = recipe(f"adapter_name_or_path={adapter('first')},{adapter('second')}")
    with pytest.raises(InputError, match="stands on first, merged into the base first; leave it out"):
        export(started, TINY, adapter(), tmp_path / "out", adapter_only=True)


def test_a_model_without_an_adapter_has_none_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was asked for, and this model has no adapter; leave it out"):
        export(recipe(), TINY, None, tmp_path / "out", adapter_only=True)


# --- what stands beside the weights


def test_every_token_that_ends_an_answer_is_declared(base: Callable[..., Path], tmp_path: Path) -> None:
    # As Qwen2.5's base models have it: text ends with one token, turns of the template with another. The temperature
    # without sampling is a setting that transformers refuses to write itself, and that models come with.
    settings = {"eos_token_id": PAD, "temperature": 0.6, "do_sample": False}
    folder = base(tokenizer_config={"eos_token": "<|endoftext|>"}, generation_config=settings)
    export(recipe(f"model_name_or_path={folder}"), folder, None, tmp_path / "out")
    held = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert held["eos_token_id"] == [PAD, END]
    assert held["temperature"] == 0.6
    assert plain(tmp_path / "out").generation_config.eos_token_id == [PAD, END]


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


def test_the_recipe_gives_the_size_of_a_file_in_gigabytes(
    base: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import PreTrainedModel

    asked: list[int] = []
    save = PreTrainedModel.save_pretrained

    def note(self: Any, *args: Any, max_shard_size: int, **kwargs: Any) -> None:
        asked.append(max_shard_size)
        save(self, *args, max_shard_size=max_shard_size, **kwargs)

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", note)
    export(recipe("export_size=3"), TINY, None, tmp_path / "out")
    assert asked == [3_000_000_000]


def test_the_chat_template_renders_the_same(adapter: Callable[..., Path], tmp_path: Path) -> None:
    export(recipe(), TINY, adapter(), tmp_path / "out")
    one, other = AutoTokenizer.from_pretrained(TINY), AutoTokenizer.from_pretrained(tmp_path / "out")
    assert one.apply_chat_template(TURNS, tokenize=False) == other.apply_chat_template(TURNS, tokenize=False)
    assert one.apply_chat_template(TURNS[:1], add_generation_prompt=True) == other.apply_chat_template(
        TURNS[:1], add_generation_prompt=True
    )


def test_the_tokenizer_is_the_runs_own_where_it_has_one(
    adapter: Callable[..., Path], base: Callable[..., Path], tmp_path: Path
) -> None:
    trained = adapter()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(TINY / file, trained / file)
    (trained / "chat_template.jinja").write_text("{{ messages[0]['content'] }}, asked in training")
    export(recipe(), TINY, trained, tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.apply_chat_template(TURNS, tokenize=False) == "12 + 30?, asked in training"


def test_a_template_that_the_recipe_lends_goes_with_the_model(base: Callable[..., Path], tmp_path: Path) -> None:
    folder = base()
    (folder / "chat_template.jinja").unlink()
    export(recipe(f"model_name_or_path={folder}", "template=qwen"), folder, None, tmp_path / "out")
    text = AutoTokenizer.from_pretrained(tmp_path / "out").apply_chat_template(TURNS, tokenize=False)
    assert text.startswith("<|im_start|>user\n12 + 30?<|im_end|>\n")


def test_a_template_within_the_tokenizers_settings_is_not_written_twice(
    base: Callable[..., Path], tmp_path: Path
) -> None:
    folder = base(tokenizer_config={"chat_template": "{{ messages[0]['content'] }}"})
    (folder / "chat_template.jinja").unlink()
    export(recipe(f"model_name_or_path={folder}"), folder, None, tmp_path / "out")
    assert not (tmp_path / "out" / "chat_template.jinja").exists()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.apply_chat_template(TURNS, tokenize=False) == "12 + 30?"


def test_the_pieces_that_transformers_does_not_write_come_from_the_base(
    adapter: Callable[..., Path], base: Callable[..., Path], tmp_path: Path
) -> None:
    folder, trained = base(), adapter()
    (folder / "tokenizer.model").write_bytes(b"pieces")
    AutoTokenizer.from_pretrained(TINY).save_pretrained(trained)
    export(recipe(f"model_name_or_path={folder}"), folder, trained, tmp_path / "out")
    assert (tmp_path / "out" / "tokenizer.model").read_bytes() == b"pieces"


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
