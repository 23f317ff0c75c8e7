"""A tokenizer read without transformers against transformers' own."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

transformers = pytest.importorskip("transformers")

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from grpoctl import shipped
from grpoctl.errors import ModelError
from grpoctl.recipe.schema import Recipe
from grpoctl.tokenizer import end_ids
from grpoctl.tokenizer_alone import TokenizerAlone, load_tokenizer_alone

TINY = shipped.MODELS["tiny"]
TEXTS = [
    "<|im_start|>user\nHow much is 17 + 4?<|im_end|>\n<|im_start|>assistant\n",
    "  <reasoning>1 + 2 , is n't 4 . </reasoning>\n<answer>3</answer><|im_end|><|endoftext|>",
    "ünï “цode” 猫 \U0001f408 <end> [mark]  </s><s>it 's",
    "",
]


def folder_of(to: Path, tokenizer: Any = None, **config: Any) -> Path:
    """The tiny model's tokenizer or another, with other settings; None takes one out."""
    shutil.copytree(TINY, to, ignore=shutil.ignore_patterns("*.safetensors"))
    held = json.loads((to / "tokenizer_config.json").read_text()) if tokenizer is None else {}
    held = {name: value for name, value in {**held, **config}.items() if value is not None}
    (to / "tokenizer_config.json").write_text(json.dumps(held))
    if tokenizer is not None:
        tokenizer.save(str(to / "tokenizer.json"))
    return to


def like_llama() -> Any:
    """Pieces of SentencePiece, with bytes for what it does not know."""
    letters = [chr(code) for code in range(33, 127)] + ["▁"]
    vocabulary = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters, "▁u", "se", "er"]
    numbers = {piece: number for number, piece in enumerate(vocabulary)}
    merges = [("▁", "u"), ("s", "e"), ("e", "r")]
    tokenizer = tokenizers.Tokenizer(models.BPE(numbers, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def of_words() -> Any:
    words = ["[unk]", "</s>", "how", "much", "is", "17", "+", "4", "?", ",", ".", "n't", "it", "'s"]
    tokenizer = tokenizers.Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[unk]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def flags(content: str, **others: bool) -> dict[str, Any]:
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, **others}


SETTINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "special tokens that the file lacks": {"eos_token": "<end>", "mask_token": "[mark]", "image_token": "猫"},
    "an end token that the vocabulary has": {"eos_token": "answer"},
    "more special tokens": {"extra_special_tokens": ["<end>", "<|im_start|>"]},
    "more special tokens by name": {"extra_special_tokens": {"boi_token": "<end>", "of_old": "[mark]"}},
    "more special tokens, as of old": {"extra_special_tokens": None, "additional_special_tokens": ["<end>"]},
    "tokens with flags": {"eos_token": {"__type": "AddedToken", **flags("<end>", lstrip=True)}},
    "special tokens as text": {"split_special_tokens": True},
    "BPE that is not cleaned up": {"clean_up_tokenization_spaces": True},
    "tokens by number": {
        "eos_token": "<end>",
        "added_tokens_decoder": {
            "2": flags("<|im_end|>", special=True, rstrip=True),
            "10": flags("<end>", special=False),
            "9": flags("[mark]", special=False, lstrip=True),
        },
    },
}


def assert_same(ours: Any, theirs: Any, texts: list[str] = TEXTS) -> None:
    rows = theirs(texts, add_special_tokens=False)["input_ids"]
    assert ours(texts, add_special_tokens=False)["input_ids"] == rows
    assert [ours(text, add_special_tokens=False)["input_ids"] for text in texts] == rows
    for skip in (True, False):
        told = theirs.batch_decode(rows, skip_special_tokens=skip)
        assert ours.batch_decode(rows, skip_special_tokens=skip) == told
        # Parts of characters, too.
        assert [ours.decode(row[1:-1], skip_special_tokens=skip) for row in rows] == [
            theirs.decode(row[1:-1], skip_special_tokens=skip) for row in rows
        ]
    assert ours.eos_token_id == theirs.eos_token_id
    assert ours.get_vocab() == theirs.get_vocab()
    assert set(ours.all_special_ids) == set(theirs.all_special_ids)
    assert {n: repr(token) for n, token in ours.added_tokens_decoder.items()} == {
        n: repr(token) for n, token in theirs.added_tokens_decoder.items()
    }
    assert ours.chat_template == theirs.chat_template
    assert end_ids(ours, [7, 9]) == end_ids(theirs, [7, 9])


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_tokenizer_is_the_one_that_transformers_reads(setting: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", **SETTINGS[setting])
    ours = load_tokenizer_alone(Recipe(), folder)
    assert isinstance(ours, TokenizerAlone)
    assert_same(ours, transformers.PreTrainedTokenizerFast.from_pretrained(folder))
    assert_same(ours, transformers.AutoTokenizer.from_pretrained(folder))


def test_pieces_of_sentencepiece_are_those_of_transformers(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path / "m", like_llama(), eos_token="</s>", bos_token="<s>", unk_token="<unk>", add_bos_token=True
    )
    ours = load_tokenizer_alone(Recipe(), folder)
    assert isinstance(ours, TokenizerAlone)
    assert_same(ours, transformers.PreTrainedTokenizerFast.from_pretrained(folder))


def test_a_tokenizer_saved_with_truncation_and_padding_encodes_all(tmp_path: Path) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(TINY / "tokenizer.json"))
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=64)
    folder = folder_of(tmp_path / "m", tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    assert_same(load_tokenizer_alone(Recipe(), folder), transformers.PreTrainedTokenizerFast.from_pretrained(folder))


def of_old(folder: Path) -> None:
    (folder / "special_tokens_map.json").write_text('{"eos_token": "<|endoftext|>"}')


def without_its_file(folder: Path) -> None:
    held = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(held["vocab"]))
    (folder / "merges.txt").write_text("\n".join(" ".join(merge) for merge in held["merges"]))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|im_end|>"}')


@pytest.mark.parametrize("change", [of_old, without_its_file])
def test_what_tokenizers_alone_cannot_read_transformers_reads(change: Any, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m")
    change(folder)
    read = load_tokenizer_alone(Recipe(), folder)
    assert isinstance(read, transformers.PreTrainedTokenizerBase)
    assert_same(read, transformers.AutoTokenizer.from_pretrained(folder))


def test_text_that_is_cleaned_up_is_left_to_transformers(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", of_words(), eos_token="</s>", clean_up_tokenization_spaces=True)
    read = load_tokenizer_alone(Recipe(), folder)
    ids = read("it 's 17 .", add_special_tokens=False)["input_ids"]
    assert read.decode(ids) == "it's 17."


def test_a_lent_template_gives_its_end(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", eos_token="<|endoftext|>")
    (folder / "chat_template.jinja").unlink()
    ours = load_tokenizer_alone(Recipe(template="qwen3"), folder)
    assert ours.chat_template and "<|im_start|>" in ours.chat_template
    assert end_ids(ours, None, "qwen3") == (0, 2)


def test_a_tokenizer_without_an_end_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=re.escape("has no end token; name one as eos_token")):
        load_tokenizer_alone(Recipe(), folder_of(tmp_path / "m", eos_token=None))
