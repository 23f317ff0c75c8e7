"""LLaMA-Factory's template names: what they lend to a tokenizer without a chat template."""

import json
import shutil
from pathlib import Path

import pytest

from grpoctl import shipped
from grpoctl.data.chat import ChatTokenizer
from grpoctl.data.endings import end_of_turn, stops
from grpoctl.data.templates import FAMILIES
from grpoctl.recipe.llamafactory import TEMPLATES

TALK = [
    {"role": "system", "content": "S"},
    {"role": "user", "content": "Q1"},
    {"role": "assistant", "content": "A1"},
    {"role": "user", "content": "Q2"},
]

# What each family writes, as its models were trained on.
WRITTEN = {
    "qwen": "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n"
    "<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\n",
    "llama3": "<bos><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>"
    "\n\nQ1<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA1<|eot_id|><|start_header_id|>user<|end_header_id|>"
    "\n\nQ2<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "gemma": "<bos><start_of_turn>user\nS\n\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n"
    "<start_of_turn>user\nQ2<end_of_turn>\n<start_of_turn>model\n",
    "deepseek": "<bos>S\n\nUser: Q1\n\nAssistant: A1<|im_end|>User: Q2\n\nAssistant:",
    "deepseek3": "<bos>S<｜User｜>Q1<｜Assistant｜>A1<|im_end|><｜User｜>Q2<｜Assistant｜>",
    "chatglm2": "S\n\n[Round 1]\n\n问：Q1\n\n答：A1\n\n[Round 2]\n\n问：Q2\n\n答：",
    "chatglm3": "[gMASK]sop<|system|>\n S<|user|>\n Q1<|assistant|>\n A1<|user|>\n Q2<|assistant|>",
    "glm4": "[gMASK]<sop><|system|>\nS<|user|>\nQ1<|assistant|>\nA1<|user|>\nQ2<|assistant|>",
}


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The tiny model's tokenizer without its chat template, with a begin token."""
    folder = tmp_path / "bare"
    shutil.copytree(shipped.MODELS["tiny"], folder, ignore=shutil.ignore_patterns("*.safetensors", "*.jinja"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "bos_token": "<bos>"}))
    return folder


def test_every_name_is_one_of_llamafactorys() -> None:
    assert FAMILIES.keys() <= TEMPLATES
    assert {family.name for family in FAMILIES.values()} == WRITTEN.keys()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_tokenizer_without_a_template_is_lent_the_familys(name: str, bare: Path) -> None:
    tokenizer = ChatTokenizer(bare, name)
    written = tokenizer.render(TALK)
    assert written == WRITTEN[FAMILIES[name].name]
    assert all(mark in written for mark in FAMILIES[name].marks)


def test_transformers_renders_a_lent_template_alike(bare: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(str(bare))
    for name, family in FAMILIES.items():
        theirs.chat_template = family.jinja
        wanted = theirs.apply_chat_template(TALK, tokenize=False, add_generation_prompt=True)
        assert ChatTokenizer(bare, name).render(TALK) == wanted


def test_the_tokenizers_own_template_comes_first(bare: Path) -> None:
    assert ChatTokenizer(shipped.MODELS["tiny"], "llama3").render(TALK[1:2]).startswith("<|im_start|>user")
    assert ChatTokenizer(bare).render(TALK) == "Q2"
    assert ChatTokenizer(bare, "no_such_name").template is None


def test_an_answer_ends_with_the_templates_token_and_the_model_stops_at_those_declared(bare: Path) -> None:
    tiny = ChatTokenizer(shipped.MODELS["tiny"])
    assert (end_of_turn(tiny), stops(tiny)) == ("<|im_end|>", ["<|im_end|>"])
    assert end_of_turn(ChatTokenizer(bare)) is None
    (bare / "generation_config.json").write_text('{"eos_token_id": [0, 2, 9999999, -1, null]}')
    assert stops(ChatTokenizer(bare)) == ["<|im_end|>", "<|endoftext|>"]
