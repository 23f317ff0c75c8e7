"""`check` holds the chat template against the recipe and against the tokens that end an answer."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grpoctl import shipped
from grpoctl.preflight import Preflight

pytestmark = pytest.mark.usefixtures("every_engine")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    shutil.copytree(shipped.MODELS["tiny"], made)
    return made


def change(folder: Path, name: str, **values: object) -> None:
    held = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**held, **values}))


def test_a_template_of_the_tokenizers_family_is_silent(checked: Callable[..., Preflight]) -> None:
    assert checked("", "template=qwen3").findings == []


def test_a_template_of_another_family_is_a_warning(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("", "template=llama3").warnings
    assert finding.key == "template"
    assert finding.problem == (
        "is llama3, and the tokenizer's own template, which is used, is another "
        '("<|im_start|>user\\n<|im_end|>\\n<|im_start|>")'
    )


def test_a_tokenizer_without_a_template_takes_the_one_that_is_named(
    checked: Callable[..., Preflight], folder: Path
) -> None:
    (folder / "chat_template.jinja").unlink()
    (bare,) = checked("", f"model_name_or_path={folder}").warnings
    assert bare.problem == "has no chat template, so the question alone is the prompt"
    found = checked("", f"model_name_or_path={folder}", "template=qwen")
    assert [finding.problem for finding in found.findings] == [
        "is qwen, which is used, as the tokenizer has no chat template"
    ]
    assert found.prompts[0].startswith("<|im_start|>user\n10 + 1?<|im_end|>")
    (wrong,) = checked("", f"model_name_or_path={folder}", "template=gemma").errors
    assert wrong.problem == "is gemma, and this tokenizer has no <start_of_turn>"


def test_a_template_that_ends_where_the_model_does_not_stop_is_a_warning(
    checked: Callable[..., Preflight], folder: Path
) -> None:
    change(folder, "tokenizer_config.json", eos_token="<|endoftext|>", pad_token="<|im_start|>")
    change(folder, "generation_config.json", eos_token_id=0)
    change(folder, "config.json", eos_token_id=0)
    (finding,) = checked("", f"model_name_or_path={folder}").warnings
    assert finding.problem == "ends an answer with <|im_end|> by its chat template, and stops at <|endoftext|> alone"
    change(folder, "generation_config.json", eos_token_id=[0, 2])
    assert checked("", f"model_name_or_path={folder}").findings == []
