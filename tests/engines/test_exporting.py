"""An exported folder is the model that was trained, and plain libraries read it: from every engine."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from engines.adapters import AS_IN, TINY, write_adapter
from engines.plain import distance, plain, tensors
from peft import PeftModel
from transformers import AutoTokenizer

from grpoctl.engines.base import Engine, load_engine
from grpoctl.errors import InputError
from grpoctl.recipe.keys.evaluation import EvalModes
from grpoctl.recipe.load import load_recipe, read_resolved
from grpoctl.recipe.schema import Recipe
from grpoctl.run.directory import RunDirectory

END, PAD = 2, 0

TURNS = [{"role": "user", "content": "12 + 30?"}, {"role": "assistant", "content": "42"}]
PROMPT = "<|im_start|>user\n12 + 30?<|im_end|>\n<|im_start|>assistant\n"

ReadsRecipe = Callable[..., Recipe]
Makes = Callable[..., Path]


@pytest.fixture
def made(engine: str) -> Engine:
    found = load_engine(engine)
    assert found is not None
    return found


@pytest.fixture
def recipe(engine: str) -> ReadsRecipe:
    def read(*overrides: str) -> Recipe:
        return load_recipe("quickstart", [f"engine={engine}", *AS_IN, *overrides])

    return read


@pytest.fixture
def adapter(tmp_path: Path) -> Makes:
    """Saves adapters that change the model a good deal, as a run leaves them."""

    def make(name: str = "adapter", **how: Any) -> Path:
        return write_adapter(tmp_path / name, **how)

    return make


@pytest.fixture
def base(tmp_path: Path) -> Makes:
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


def test_a_run_exports_what_it_trained(made: Engine, straight: Callable[..., RunDirectory], tmp_path: Path) -> None:
    """As evaluations of the run open it: so the exported model gives the answers that were counted."""
    run = straight()
    used = read_resolved(run.resolved, []).recipe
    assert used is not None
    made.export(used, TINY, run.path, tmp_path / "out")
    model = plain(tmp_path / "out")
    assert distance(model, PeftModel.from_pretrained(plain(TINY), run.path)) < 1e-5
    assert distance(model, plain(TINY)) > 1e-3
    prompts, greedy = [PROMPT, PROMPT.replace("12", "7")], EvalModes().greedy
    opened = made.open(used, TINY, run.path)
    whole = made.open(used, tmp_path / "out", None)
    assert opened.sample(prompts, greedy, 0) == whole.sample(prompts, greedy, 0)


def test_a_whole_run_exports_its_weights(made: Engine, straight: Callable[..., RunDirectory], tmp_path: Path) -> None:
    run = straight("finetuning_type=full", "learning_rate=2e-4")
    used = read_resolved(run.resolved, []).recipe
    assert used is not None
    made.export(used, TINY, run.path, tmp_path / "out")
    kept, exported = tensors(run.path), tensors(tmp_path / "out")
    assert kept.keys() == exported.keys() == tensors(TINY).keys()
    assert all(torch.equal(kept[name], exported[name]) for name in kept)


# --- adapters merged


def test_merged_adapters_give_the_logits_of_base_and_adapters(
    made: Engine, recipe: ReadsRecipe, adapter: Makes, tmp_path: Path
) -> None:
    trained = adapter()
    done = made.export(recipe(), TINY, trained, tmp_path / "out")
    model = plain(tmp_path / "out")
    assert distance(model, PeftModel.from_pretrained(plain(TINY), trained)) < 1e-5
    assert distance(model, plain(TINY)) > 0.1, "the adapters change too little for this to show anything"
    assert (done.format, done.dtype) == ("hf", "float32")
    assert done.parameters == model.num_parameters()
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is True
    assert "lm_head.weight" not in tensors(tmp_path / "out")


def test_a_start_adapter_is_replaced_by_what_was_trained_on_it(
    made: Engine, recipe: ReadsRecipe, adapter: Makes, tmp_path: Path
) -> None:
    start, trained = adapter("start"), adapter("trained", seed=1)
    made.export(recipe(f"adapter_name_or_path={start}"), TINY, trained, tmp_path / "out")
    expected = PeftModel.from_pretrained(plain(TINY), trained)
    assert distance(plain(tmp_path / "out"), expected) < 1e-5


def test_a_sum_in_bfloat16_is_rounded_once(made: Engine, recipe: ReadsRecipe, adapter: Makes, tmp_path: Path) -> None:
    trained = adapter()
    done = made.export(recipe("bf16=true"), TINY, trained, tmp_path / "out")
    assert done.dtype == json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"
    name = "model.layers.0.mlp.up_proj.weight"
    base = plain(TINY).state_dict()[name].bfloat16().float()  # as it stood beside the adapters in training
    held = tensors(trained)
    down, up = (held[f"base_model.model.{name[:-7]}.lora_{part}.weight"] for part in "AB")
    assert torch.equal(tensors(tmp_path / "out")[name], (base + 2 * up @ down).bfloat16())  # alpha 8 / rank 4 is 2


def test_a_run_on_a_cpu_is_float32_whatever_the_base_was(
    made: Engine, recipe: ReadsRecipe, adapter: Makes, base: Makes, tmp_path: Path
) -> None:
    folder = base()
    plain(TINY, dtype="bfloat16").save_pretrained(folder)
    trained = adapter()
    assert made.export(recipe(), folder, trained, tmp_path / "out").dtype == "float32"
    expected = PeftModel.from_pretrained(plain(folder, dtype="float32"), trained)
    assert distance(plain(tmp_path / "out"), expected) < 1e-5


def test_adapters_of_quantised_training_are_merged_into_the_whole_weights(
    made: Engine, recipe: ReadsRecipe, adapter: Makes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained = adapter()
    with caplog.at_level(logging.INFO, "grpoctl"):
        made.export(recipe("quantization_bit=4"), TINY, trained, tmp_path / "out")
    assert distance(plain(tmp_path / "out"), PeftModel.from_pretrained(plain(TINY), trained)) < 1e-5
    assert [record.message for record in caplog.records if record.name.startswith("grpoctl")] == [
        "the adapters were trained on 4-bit weights; they are merged into the unquantised ones."
    ]


# --- every weight trained


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_whole_weights_are_kept_to_the_bit(
    made: Engine, recipe: ReadsRecipe, dtype: str, base: Makes, tmp_path: Path
) -> None:
    trained = base("trained")
    model = plain(TINY, dtype=dtype)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.01 * torch.randn_like(weight)
    model.save_pretrained(trained)
    # bf16 is how such a run computed; what it kept are the files.
    done = made.export(recipe("finetuning_type=full", "bf16=true"), TINY, trained, tmp_path / "out")
    kept, exported = tensors(trained), tensors(tmp_path / "out")
    assert kept.keys() == exported.keys()
    assert all(torch.equal(kept[name], exported[name]) for name in kept)
    assert {tensor.dtype for tensor in exported.values()} == {getattr(torch, dtype)}
    assert done.dtype == dtype
    assert distance(plain(tmp_path / "out"), plain(trained)) == 0


def test_a_whole_run_needs_nothing_of_its_base(made: Engine, recipe: ReadsRecipe, base: Makes, tmp_path: Path) -> None:
    made.export(recipe("finetuning_type=full"), tmp_path / "gone", base("trained"), tmp_path / "out")
    assert distance(plain(tmp_path / "out"), plain(TINY)) == 0


# --- a model that no run made


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_model_without_a_run_keeps_its_numbers(
    made: Engine, recipe: ReadsRecipe, dtype: str, base: Makes, tmp_path: Path
) -> None:
    folder = base(config={"dtype": "float64"})  # which its weights belie, as happens
    weights = {name: tensor.to(getattr(torch, dtype)) for name, tensor in tensors(TINY).items()}
    from safetensors.torch import save_file

    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert made.export(recipe(), folder, None, tmp_path / "out").dtype == dtype
    assert all(torch.equal(tensor, weights[name]) for name, tensor in tensors(tmp_path / "out").items())


# --- adapters alone


def test_an_adapter_alone_is_loaded_by_plain_peft(
    made: Engine, recipe: ReadsRecipe, adapter: Makes, tmp_path: Path
) -> None:
    trained = adapter()
    (tmp_path / "out").mkdir()
    done = made.export(recipe(), TINY, trained, tmp_path / "out", adapter_only=True)
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


def test_an_adapter_names_a_base_of_the_hub_as_the_recipe_did(
    made: Engine, recipe: ReadsRecipe, adapter: Makes, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    hub = recipe("model_name_or_path=some/tiny", "model_revision=v2")
    made.export(hub, TINY, adapter(), tmp_path / "out", adapter_only=True)
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("some/tiny", "v2")


def test_an_adapter_names_a_base_by_its_whole_path(
    made: Engine, recipe: ReadsRecipe, adapter: Makes, base: Makes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base("mine")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    made.export(recipe("model_name_or_path=./mine"), Path("mine"), adapter(), tmp_path / "out", adapter_only=True)
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == (str(folder), None)


def test_a_model_without_an_adapter_has_none_to_give(made: Engine, recipe: ReadsRecipe, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was asked for, and this model has no adapter; leave it out"):
        made.export(recipe(), TINY, None, tmp_path / "out", adapter_only=True)


# --- what stands beside the weights


def test_every_token_that_ends_an_answer_is_declared(
    made: Engine, recipe: ReadsRecipe, base: Makes, tmp_path: Path
) -> None:
    # As Qwen2.5's base models have it: text ends with one token, turns of the template with another. The temperature
    # without sampling is a setting that transformers refuses to write itself, and that models come with.
    settings = {"eos_token_id": PAD, "temperature": 0.6, "do_sample": False}
    folder = base(tokenizer_config={"eos_token": "<|endoftext|>"}, generation_config=settings)
    made.export(recipe(f"model_name_or_path={folder}"), folder, None, tmp_path / "out")
    held = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert held["eos_token_id"] == [PAD, END]
    assert held["temperature"] == 0.6
    assert plain(tmp_path / "out").generation_config.eos_token_id == [PAD, END]


def test_the_chat_template_renders_the_same(made: Engine, recipe: ReadsRecipe, adapter: Makes, tmp_path: Path) -> None:
    made.export(recipe(), TINY, adapter(), tmp_path / "out")
    one, other = AutoTokenizer.from_pretrained(TINY), AutoTokenizer.from_pretrained(tmp_path / "out")
    assert one.apply_chat_template(TURNS, tokenize=False) == other.apply_chat_template(TURNS, tokenize=False)
    assert one.apply_chat_template(TURNS[:1], add_generation_prompt=True) == other.apply_chat_template(
        TURNS[:1], add_generation_prompt=True
    )


def test_the_tokenizer_is_the_runs_own_where_it_has_one(
    made: Engine, recipe: ReadsRecipe, adapter: Makes, base: Makes, tmp_path: Path
) -> None:
    trained = adapter()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(TINY / file, trained / file)
    (trained / "chat_template.jinja").write_text("{{ messages[0]['content'] }}, asked in training")
    made.export(recipe(), TINY, trained, tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.apply_chat_template(TURNS, tokenize=False) == "12 + 30?, asked in training"


def test_a_template_that_the_recipe_lends_goes_with_the_model(
    made: Engine, recipe: ReadsRecipe, base: Makes, tmp_path: Path
) -> None:
    folder = base()
    (folder / "chat_template.jinja").unlink()
    made.export(recipe(f"model_name_or_path={folder}", "template=qwen"), folder, None, tmp_path / "out")
    text = AutoTokenizer.from_pretrained(tmp_path / "out").apply_chat_template(TURNS, tokenize=False)
    assert text.startswith("<|im_start|>user\n12 + 30?<|im_end|>\n")


def test_a_template_within_the_tokenizers_settings_is_not_written_twice(
    made: Engine, recipe: ReadsRecipe, base: Makes, tmp_path: Path
) -> None:
    folder = base(tokenizer_config={"chat_template": "{{ messages[0]['content'] }}"})
    (folder / "chat_template.jinja").unlink()
    made.export(recipe(f"model_name_or_path={folder}"), folder, None, tmp_path / "out")
    assert not (tmp_path / "out" / "chat_template.jinja").exists()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.apply_chat_template(TURNS, tokenize=False) == "12 + 30?"


def test_the_pieces_that_transformers_does_not_write_come_from_the_base(
    made: Engine, recipe: ReadsRecipe, adapter: Makes, base: Makes, tmp_path: Path
) -> None:
    folder, trained = base(), adapter()
    (folder / "tokenizer.model").write_bytes(b"pieces")
    AutoTokenizer.from_pretrained(TINY).save_pretrained(trained)
    made.export(recipe(f"model_name_or_path={folder}"), folder, trained, tmp_path / "out")
    assert (tmp_path / "out" / "tokenizer.model").read_bytes() == b"pieces"
