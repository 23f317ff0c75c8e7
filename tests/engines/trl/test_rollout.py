"""Completions: what is drawn, how likely it is, and that drawing leaves the model as it was."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

from grpoctl import shipped
from grpoctl.engines.trl import rollout
from grpoctl.engines.trl.rollout import Draw, can_roll_out, draw, merged_adapters
from grpoctl.engines.trl.trainer import seeded_generator

TINY = shipped.MODELS["tiny"]
QUESTIONS = ("12 + 30?", "Leo finds 75 books, then another 72. How many in all?", "7 coins and 8 more?")


def tiny() -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(TINY)


def with_adapters(**arguments: Any) -> Any:
    """Adapters that do something: PEFT's own start from zero."""
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **arguments)
    model = peft.get_peft_model(tiny(), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    return model


def prompts() -> list[list[int]]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(TINY)
    texts = [f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n" for question in QUESTIONS]
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def generator(number: int = 0) -> Any:
    return seeded_generator(0, number, torch.device("cpu"))


HOW = Draw(max_tokens=24, end_ids=(2,))
GREEDY = Draw(max_tokens=24, end_ids=(2,), temperature=0.0)


def scored(model: Any, prompt: list[int], completion: list[int], temperature: float) -> list[float]:
    """The same log-probabilities by a plain pass without cache or padding."""
    logits = model(input_ids=torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1] / temperature
    chosen = logits.log_softmax(-1).gather(-1, torch.tensor(completion)[:, None])[:, 0]
    values: list[float] = chosen.tolist()
    return values


@pytest.mark.parametrize("make", [tiny, with_adapters])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_probs_are_those_of_a_plain_pass(make: Any, temperature: float, dtype: Any) -> None:
    model = make().to(dtype)
    # The plain pass itself is up to 1.6e-5 from the truth in float32: rounding, and no more than that, is let through.
    # Logits divided by the temperature are as much larger, and so is their rounding.
    absolute, relative = (1e-5 / temperature, 1e-5) if dtype == torch.float32 else (1e-5, 0.0)
    repeated = [prompt for prompt in prompts() for _ in range(4)]
    drawn = draw(model, repeated, Draw(24, (2,), temperature), generator(), log_probs=True)
    with torch.no_grad():
        for prompt, ids, given in zip(repeated, drawn.ids, drawn.log_probs, strict=True):
            expected = torch.tensor(scored(model, prompt, ids, temperature))
            assert torch.allclose(torch.tensor(given), expected, atol=absolute, rtol=relative)


def test_greedy_completions_are_those_of_generate() -> None:
    model = tiny()
    for prompt, ids in zip(prompts(), draw(model, prompts(), GREEDY, generator()).ids, strict=True):
        told = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), max_new_tokens=24, do_sample=False
        )
        assert told[0, len(prompt) :].tolist() == ids


def test_an_answer_ends_with_an_end_token_or_at_the_limit() -> None:
    drawn = draw(tiny(), prompts() * 8, Draw(10, (2,)), generator())
    assert all(len(ids) == 10 or ids[-1] == 2 for ids in drawn.ids)
    assert all(2 not in ids[:-1] for ids in drawn.ids)
    assert {len(ids) == 10 for ids in drawn.ids} == {True, False}


def test_what_is_drawn_follows_from_the_number_alone() -> None:
    model = tiny()
    first = draw(model, prompts() * 4, HOW, generator(5)).ids
    torch.manual_seed(123)
    assert draw(model, prompts() * 4, HOW, generator(5)).ids == first
    assert draw(model, prompts() * 4, HOW, generator(6)).ids != first


def test_the_order_of_prompts_is_kept_where_they_repeat() -> None:
    a, b, c = prompts()
    mixed = [a, b, a, c, b, a]
    greedy = draw(tiny(), [a, b, c], GREEDY, generator()).ids
    assert draw(tiny(), mixed, GREEDY, generator()).ids == [greedy[index] for index in (0, 1, 0, 2, 1, 0)]


@pytest.mark.parametrize(
    "how",
    [Draw(24, (2,), top_k=1), Draw(24, (2,), top_p=1e-6), Draw(24, (2,), min_p=1.0), Draw(24, (2,), temperature=1e-4)],
)
def test_narrow_sampling_is_greedy(how: Draw) -> None:
    assert draw(tiny(), prompts(), how, generator()).ids == draw(tiny(), prompts(), GREEDY, generator()).ids


def test_sampling_draws_each_token_as_often_as_it_is_likely() -> None:
    model, prompt = tiny(), prompts()[0]
    with torch.no_grad():
        likely = model(input_ids=torch.tensor([prompt])).logits[0, -1].softmax(-1)
    first = [ids[0] for ids in draw(model, [prompt] * 4000, Draw(1, (2,)), generator()).ids]
    shares = torch.bincount(torch.tensor(first), minlength=len(likely)) / len(first)
    # Three standard deviations of a share over 4,000 draws are at most 3 * 0.5 / 63 = 0.024.
    assert float((shares - likely).abs().max()) < 0.024


def test_merging_leaves_the_very_same_weights_behind() -> None:
    model = with_adapters()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with merged_adapters(model):
        merged = model.state_dict()
        assert any(not torch.equal(before[name], merged[name]) for name in before)
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_weights_are_put_back_where_drawing_fails() -> None:
    model = with_adapters()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(RuntimeError), merged_adapters(model):
        raise RuntimeError
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("how", ["dora", "bfloat16", "large"])
def test_adapters_that_cannot_be_merged_exactly_or_cheaply_stay_apart(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = with_adapters(use_dora=how == "dora")
    if how == "bfloat16":
        model = model.to(torch.bfloat16)
    if how == "large":
        monkeypatch.setattr(rollout, "_MERGE_AT_MOST_BYTES", 1000)
    assert rollout._mergeable(model) == []
    assert len(draw(model, prompts(), HOW, generator()).ids) == 3


def test_drawing_keeps_the_model_in_its_mode() -> None:
    model = tiny().train()
    draw(model, prompts(), HOW, generator())
    assert model.training


def test_models_with_a_sliding_window_are_drawn_from_and_recurrent_ones_are_not() -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    window = transformers.MistralConfig(vocab_size=400, num_key_value_heads=1, sliding_window=8, **sizes)
    torch.manual_seed(0)
    mistral = transformers.AutoModelForCausalLM.from_config(window).eval()
    assert can_roll_out(mistral)
    ids = draw(mistral, prompts(), Draw(6, (2,), temperature=0.0), generator()).ids
    for prompt, got in zip(prompts(), ids, strict=True):
        told = mistral.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), max_new_tokens=6, do_sample=False,
            eos_token_id=2, pad_token_id=0,
        )  # fmt: skip
        assert told[0, len(prompt) :].tolist() == got
    lfm = transformers.Lfm2Config(vocab_size=64, layer_types=["conv", "full_attention"], num_key_value_heads=1, **sizes)
    assert not can_roll_out(transformers.AutoModelForCausalLM.from_config(lfm))
