"""Tokens that end an answer, tokens that fill a row, and models that cannot be loaded."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

transformers = pytest.importorskip("transformers")
pytest.importorskip("trl")

from grpoctl import shipped
from grpoctl.engines.trl import load
from grpoctl.errors import ModelError
from grpoctl.recipe.load import load_recipe
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import STEP, read_events
from grpoctl.tokenizer import load_tokenizer

TINY = shipped.MODELS["tiny"]
START, END, PAD = 1, 2, 0


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """The tiny model with changes to its tokenizer's configuration; None takes a key out."""

    def make(**changes: Any) -> Path:
        copy = tmp_path / "model"
        shutil.copytree(TINY, copy)
        file = copy / "tokenizer_config.json"
        held = {**json.loads(file.read_text()), **changes}
        file.write_text(json.dumps({name: value for name, value in held.items() if value is not None}))
        return copy

    return make


def recipe(folder: Path) -> Any:
    return load_recipe("quickstart", [f"model_name_or_path={folder}"])


def test_the_tiny_model_ends_with_its_end_token() -> None:
    made = recipe(TINY)
    assert load.end_ids(load_tokenizer(made, TINY), load.load_model(made, TINY)) == (END,)


def test_a_base_models_template_adds_the_token_that_ends_its_turns(folder: Callable[..., Path]) -> None:
    # As Qwen2.5's base models have it: text ends with one token, turns of the template with another.
    path = folder(eos_token="<|endoftext|>")
    config = path / "generation_config.json"
    config.write_text(json.dumps({"eos_token_id": PAD, "pad_token_id": PAD}))
    made = recipe(path)
    assert load.end_ids(load_tokenizer(made, path), load.load_model(made, path)) == (PAD, END)


def test_every_end_token_that_the_model_declares_counts(folder: Callable[..., Path]) -> None:
    path = folder()
    (path / "generation_config.json").write_text(json.dumps({"eos_token_id": [END, 7], "pad_token_id": PAD}))
    made = recipe(path)
    assert load.end_ids(load_tokenizer(made, path), load.load_model(made, path)) == (END, 7)


@pytest.mark.parametrize("pad", [None, "<|im_end|>"])
def test_without_a_pad_token_of_its_own_rows_are_filled_with_the_end_token(
    pad: str | None, folder: Callable[..., Path]
) -> None:
    path = folder(pad_token=pad)
    tokenizer = load_tokenizer(recipe(path), path)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == END


def test_a_pad_token_that_ends_answers_loses_no_end(
    folder: Callable[..., Path], train: Callable[..., RunDirectory]
) -> None:
    """The same step with either filling: masks come from lengths."""
    path = folder(pad_token="<|im_end|>")
    one, other = train("max_steps=1", name="own"), train("max_steps=1", f"model_name_or_path={path}", name="shared")
    assert one.completions(1).read_text() == other.completions(1).read_text()
    first, second = (
        next(event for event in read_events(run.events)[0] if event["event"] == STEP) for run in (one, other)
    )
    for name in ("loss", "grad_norm", "entropy", "completions/clipped_ratio"):
        assert first[name] == pytest.approx(second[name], rel=1e-4, abs=1e-7), name


def test_a_model_that_cannot_be_loaded_is_one_line(folder: Callable[..., Path]) -> None:
    path = folder()
    (path / "config.json").write_text('{"model_type": "no_such_model"}')
    with pytest.raises(ModelError) as failure:
        load.load_model(recipe(TINY), path)
    assert str(failure.value).startswith(f"{path}: cannot be loaded as a model (")
    assert "\n" not in str(failure.value)
