"""Answers outside of training: adapters are put back as they were, and no character comes in parts."""

from typing import Any

import pytest

pytest.importorskip("trl")
torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

from grpoctl import shipped
from grpoctl.engines.trl.sampler import TrlSampler
from grpoctl.recipe.keys.evaluation import EvalSampling
from grpoctl.tokenizer import TextOfTokens

TINY = shipped.MODELS["tiny"]
PROMPT = "<|im_start|>user\nSam finds 92 cards, then another 49. How many in all?<|im_end|>\n<|im_start|>assistant\n"
# So hot that any byte may follow any other: most of it is no UTF-8.
HOT = EvalSampling(temperature=100.0)


def tokenizer() -> Any:
    return transformers.AutoTokenizer.from_pretrained(TINY)


def adapted() -> Any:
    """The tiny model with adapters that do something: PEFT's own start from zero."""
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    model = peft.get_peft_model(transformers.AutoModelForCausalLM.from_pretrained(TINY), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    return model.eval()


def sampler(model: Any = None, max_tokens: int = 40) -> TrlSampler:
    plain = transformers.AutoModelForCausalLM.from_pretrained(TINY).eval() if model is None else model
    return TrlSampler(plain, tokenizer(), (2,), max_tokens)


def pieces_of(made: Any, text: str) -> list[str]:
    """The pieces in which a text comes, token by token, and what is held back until the end."""
    unfolding = TextOfTokens(made)
    ids = made(text, add_special_tokens=False)["input_ids"]
    return [*filter(None, map(unfolding.add, ids)), unfolding.rest()]


def test_an_answer_that_is_stopped_or_fails_leaves_the_weights_as_they_were() -> None:
    model = adapted()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}

    def fail(text: str) -> None:
        raise BrokenPipeError

    sampler(model).stream(PROMPT, HOT, 0, lambda text: None, stopped=lambda: True)
    with pytest.raises(BrokenPipeError):
        sampler(model).stream(PROMPT, HOT, 0, fail)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


def test_characters_come_whole() -> None:
    # The tiny vocabulary has single bytes for these: 2, 4 and 3 tokens each, and 1 for the letter.
    assert pieces_of(tokenizer(), "é🎲中a") == ["é", "🎲", "中", "a", ""]


def test_bytes_that_are_no_character_are_shown_once_that_is_sure() -> None:
    made = tokenizer()
    ids = made("中", add_special_tokens=False)["input_ids"]
    assert len(ids) == 3
    unfolding = TextOfTokens(made)
    letter = made("a", add_special_tokens=False)["input_ids"][0]
    # Two of three bytes, a letter, and then one byte with nothing behind it.
    assert [unfolding.add(token) for token in (*ids[:2], letter, ids[0])] == ["", "", "\ufffda", ""]
    assert unfolding.rest() == "\ufffd"


def test_spaces_that_hang_on_the_token_before_are_kept() -> None:
    """As in Llama 2's tokenizer, which takes a text's first space away, and has bytes for what it does not know."""
    bytes_of = [f"<0x{number:02X}>" for number in range(256)]
    vocabulary = {word: number for number, word in enumerate(["<unk>", "▁one", "▁two", "▁", *bytes_of])}
    inner = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    inner.decoder = tokenizers.decoders.Sequence(
        [
            tokenizers.decoders.Replace("▁", " "),
            tokenizers.decoders.ByteFallback(),
            tokenizers.decoders.Fuse(),
            tokenizers.decoders.Strip(" ", 1, 0),
        ]
    )
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=inner)
    ids = [1, 2, 3, *(4 + byte for byte in "中é".encode()), 1]
    unfolding = TextOfTokens(made)
    pieces = [*filter(None, map(unfolding.add, ids)), unfolding.rest()]
    assert "".join(pieces) == made.decode(ids) == "one two 中é one"
    assert pieces == ["one", " two", " ", "中", "é", " one", ""]
