import json
import os
import re
import shutil
from pathlib import Path

import pytest

from grpoctl import shipped
from grpoctl.data.chat import ChatTokenizer, messages_of
from grpoctl.data.rows import Row
from grpoctl.errors import ModelError
from grpoctl.recipe.schema import Recipe

TINY = shipped.MODELS["tiny"]
TALK = [
    {"role": "system", "content": "Add, “carefully”."},
    {"role": "user", "content": "1 + 1 <b>&</b>?"},
    {"role": "assistant", "content": "2\n"},
    {"role": "user", "content": "  2 + 2?  "},
]

# What real templates use: loops with break, trimmed blocks, tojson, special tokens, a thinking switch, marks.
TEMPLATE = """{{ bos_token }}{% for message in messages %}
    {%- if loop.index > 9 %}{% break %}{% endif %}
    {% if message['role'] == 'assistant' %}
{% generation %}{{ message['content'] }}{% endgeneration %}
    {% else %}
[{{ message['role'] }}] {{ message['content'] | trim | tojson }}
    {% endif %}
{% endfor %}
{%- if add_generation_prompt %}>
{%- if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}
{%- endif %}"""


def model_folder(to: Path, template: str | None = None) -> Path:
    """A copy of the tiny model with another chat template."""
    shutil.copytree(TINY, to, ignore=shutil.ignore_patterns("*.safetensors"))
    if template is not None:
        (to / "chat_template.jinja").write_text(template, encoding="utf-8")
    return to


@pytest.mark.parametrize("enable_thinking", [None, True, False])
@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_prompts_are_those_of_transformers(tmp_path: Path, template: str | None, enable_thinking: bool | None) -> None:
    transformers = pytest.importorskip("transformers")
    folder = model_folder(tmp_path / "m", template)
    if template is not None:
        config = json.loads((folder / "tokenizer_config.json").read_text())
        (folder / "tokenizer_config.json").write_text(json.dumps({**config, "bos_token": "<|im_start|>"}))
    theirs = transformers.AutoTokenizer.from_pretrained(str(folder))
    ours = ChatTokenizer(folder)
    extra = {} if enable_thinking is None else {"enable_thinking": enable_thinking}
    wanted = theirs.apply_chat_template(TALK, tokenize=False, add_generation_prompt=True, **extra)
    prompt = ours.render(TALK, enable_thinking)
    assert prompt == wanted
    assert ours.lengths([prompt]) == [len(theirs(prompt, add_special_tokens=False)["input_ids"])]


def test_a_named_template_and_one_in_the_configuration_are_read(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    (folder / "chat_template.jinja").unlink()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    for held in (
        "X{{ messages[-1].content }}",
        [{"name": "tool", "template": "T"}, {"name": "default", "template": "X{{ messages[-1].content }}"}],
    ):
        (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": held}))
        assert ChatTokenizer(folder).render(TALK) == "X  2 + 2?  "
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": None}))
    assert ChatTokenizer(folder).template is None
    assert ChatTokenizer(folder).render(TALK) == "  2 + 2?  "


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% if %}", "has a chat template that is no jinja"),
        ("{{ raise_exception('no system turn') }}", "does not render (no system turn)"),
        ("{{ messages.pop() }}", "does not render"),
        ("{{ ''.__class__.__mro__ }}", "does not render"),
        ("{{ 1 // 0 }}", "does not render"),
    ],
)
def test_a_bad_or_hostile_template_gets_one_line(tmp_path: Path, template: str, said: str) -> None:
    with pytest.raises(ModelError, match=re.escape(said)):
        ChatTokenizer(model_folder(tmp_path / "m", template)).render(TALK)


@pytest.mark.parametrize("damage", ["{", '{"model": 3}', ""])
def test_a_damaged_tokenizer_gets_one_line(tmp_path: Path, damage: str) -> None:
    folder = model_folder(tmp_path / "m")
    (folder / "tokenizer.json").write_text(damage)
    with pytest.raises(ModelError, match="is no tokenizer"):
        ChatTokenizer(folder)
    (folder / "tokenizer.json").write_bytes((TINY / "tokenizer.json").read_bytes())
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(ModelError, match="is not JSON"):
        ChatTokenizer(folder)


def test_the_recipes_system_prompt_comes_first_then_the_rows_then_the_default() -> None:
    row, plain = Row("q", "a", system="of the row", history=(("x", "y"),)), Row("q", "a")
    question = [{"role": "user", "content": "q"}]
    earlier = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]

    def system(text: str) -> list[dict[str, str]]:
        return [{"role": "system", "content": text}]

    assert messages_of(row, Recipe(system_prompt="of the recipe")) == system("of the recipe") + earlier + question
    assert messages_of(row, Recipe(default_system="d")) == system("of the row") + earlier + question
    assert messages_of(plain, Recipe(default_system="d")) == system("d") + question
    assert messages_of(plain, Recipe(default_system="d", system_prompt="")) == question
    assert messages_of(plain, Recipe()) == question


def test_a_tokenizer_saved_with_truncation_and_padding_counts_all_tokens(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    saved = json.loads((folder / "tokenizer.json").read_text())
    saved["truncation"] = {"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    saved["padding"] = {
        "strategy": {"Fixed": 50}, "direction": "Left", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>",
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(saved))
    assert ChatTokenizer(folder).lengths(["1 2 3 4 5", "1"]) == ChatTokenizer(TINY).lengths(["1 2 3 4 5", "1"])


def test_a_tokenizer_that_panics_gets_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = model_folder(tmp_path / "m")
    saved = json.loads((folder / "tokenizer.json").read_text())
    saved["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    (folder / "tokenizer.json").write_text(json.dumps(saved))
    with pytest.raises(ModelError):
        ChatTokenizer(folder).lengths(["1"])


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{% for a in b %}" * 200, b"{{ " + b"(" * 5000])
def test_a_template_that_is_no_text_or_too_deep_gets_one_line(tmp_path: Path, content: bytes) -> None:
    folder = model_folder(tmp_path / "m")
    (folder / "chat_template.jinja").write_bytes(content)
    with pytest.raises(ModelError):
        ChatTokenizer(folder)


def test_a_pipe_as_configuration_is_not_waited_for(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    assert ChatTokenizer(folder).max_positions is None
