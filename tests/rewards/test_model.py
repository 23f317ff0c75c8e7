"""A reward model is any sequence classifier: a tiny encoder and a tiny decoder, made here."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from grpoctl import shipped
from grpoctl.errors import GrpoctlError
from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.model import model
from grpoctl.rewards.registry import BadReward, ready_reward

QUESTIONS = ["1 + 1?", "2 + 2?", "a longer question, 3 + 3?"]
SAID = ["<answer>2</answer>", "4", "six, which is 3 + 3, as is plain to see"]


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3 with one output, and the tiny model's tokenizer and chat template."""
    folder = tmp_path_factory.mktemp("decoder")
    tokenizer = transformers.AutoTokenizer.from_pretrained(shipped.MODELS["tiny"])
    torch.manual_seed(0)
    config = transformers.Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, num_labels=1, max_position_embeddings=256,
    )  # fmt: skip
    transformers.Qwen3ForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two labels, which has no chat template."""
    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"0123456789+?<>/", "answer", "is"]
    vocabulary = {word: number for number, word in enumerate(words)}
    transformers.BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, num_labels=2,
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def by_hand(folder: Path, text: Any, label: int) -> float:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    classifier = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        ids = tokenizer(*text, return_tensors="pt", add_special_tokens=len(text) > 1)
        return float(classifier(**ids).logits[0, label])


def test_a_decoder_scores_the_conversation_whatever_the_batch(decoder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(decoder)
    expected = []
    for question, said in zip(QUESTIONS, SAID, strict=True):
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": said}]
        expected.append(by_hand(decoder, (tokenizer.apply_chat_template(turns, tokenize=False),), 0))
    for size in (1, 2, 16):
        assert model(SAID, QUESTIONS, path=str(decoder), batch_size=size) == pytest.approx(expected, abs=1e-5)


def test_an_encoder_scores_the_pair_by_the_label_named(encoder: Path) -> None:
    expected = [by_hand(encoder, pair, 1) for pair in zip(QUESTIONS, SAID, strict=True)]
    assert model(SAID, QUESTIONS, path=str(encoder), label=1) == pytest.approx(expected, abs=1e-5)


def test_several_outputs_want_a_label(encoder: Path) -> None:
    for label in (-1, 2):
        with pytest.raises(GrpoctlError, match="has 2 outputs; say which one is the score, by label"):
            model(SAID, QUESTIONS, path=str(encoder), label=label)


def test_a_text_longer_than_the_model_reads_is_cut_at_its_beginning(decoder: Path, encoder: Path) -> None:
    (short,) = model(["1" * 300 + " so 4"], ["?"], path=str(decoder))
    (long,) = model(["1" * 3000 + " so 4"], ["?"], path=str(decoder))
    assert long == pytest.approx(short, abs=1e-5)
    assert len(model(["1 " * 3000], ["?"], path=str(encoder), label=0)) == 1


def test_it_is_named_in_a_recipe_by_its_path(decoder: Path) -> None:
    recipe = Recipe.model_validate({"reward_funcs": [{"use": "model", "path": str(decoder), "weight": 0.5}]})
    (use,) = recipe.reward_funcs
    ready = ready_reward(use, recipe)
    assert (ready.weight, ready.arguments) == (0.5, {"path": str(decoder)})
    assert len(list(ready.score(SAID, {"question": QUESTIONS}))) == 3


def test_what_is_no_model_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    for path, message in {
        str(tmp_path / "none"): "is no folder here",
        str(tmp_path): "has no config.json",
        "https://huggingface.co/a/b": "is an address",
    }.items():
        with pytest.raises(BadReward, match=message):
            ready_reward(RewardUse(use="model", args={"path": path}), Recipe())


def test_a_folder_that_holds_no_classifier_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "nonsense"}')
    with pytest.raises(GrpoctlError, match="cannot be loaded as a reward model"):
        model(["x"], ["y"], path=str(tmp_path))
