"""Completions on JAX: what is drawn, how likely it is, and that a row's answer is its own."""

from collections.abc import Sequence
from typing import Any

import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("tunix")

import numpy as np
from engines.adapters import TINY

from grpoctl.engines.tunix.models import load_model, make_mesh
from grpoctl.engines.tunix.rollout import PAD, Draw, Rollout, padded, step_key

QUESTIONS = ("12 + 30?", "Leo finds 75 books, then another 72. How many in all?", "7 coins and 8 more?")
END = 2
HOW = Draw(max_tokens=24, end_ids=(END,))
GREEDY = Draw(max_tokens=24, end_ids=(END,), temperature=0.0)


@pytest.fixture(scope="module")
def rollouts() -> dict[str, Rollout]:
    """One that remembers keys and values, and one that reads all tokens again for each new one."""
    model = load_model(TINY, make_mesh(1, 1), dtype="float32", param_dtype="float32", remat="none")
    return {"cached": Rollout(model), "whole": Rollout(model, has_cache=False)}


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(TINY)
    texts = [f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n" for question in QUESTIONS]
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def likely(rollout: Rollout, prompt: Sequence[int]) -> Any:
    """The model's own probabilities of the token behind a prompt, by a plain pass."""
    from flax import nnx
    from jax import numpy as jnp

    model = nnx.merge(*nnx.split(rollout.model))
    ids = jnp.asarray([prompt])
    places = jnp.arange(len(prompt))[None]
    mask = jnp.tril(jnp.ones((1, len(prompt), len(prompt)), bool))
    logits, _ = model(ids, places, None, mask)
    return np.asarray(jax.nn.softmax(logits[0, -1].astype(jnp.float32)))


@pytest.mark.parametrize("how", [HOW, GREEDY])
def test_with_and_without_a_cache_the_same_is_drawn(
    how: Draw, rollouts: dict[str, Rollout], prompts: list[list[int]]
) -> None:
    key = step_key(0, 0)
    assert rollouts["cached"].draw(prompts, 2, how, key) == rollouts["whole"].draw(prompts, 2, how, key)


def test_greedy_completions_are_those_of_generate(rollouts: dict[str, Rollout], prompts: list[list[int]]) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(TINY)
    for prompt, ids in zip(prompts, rollouts["cached"].draw(prompts, 1, GREEDY, step_key(0, 0)), strict=True):
        told = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), max_new_tokens=24, do_sample=False
        )
        assert told[0, len(prompt) :].tolist() == ids


def test_an_answer_ends_with_an_end_token_or_at_the_limit(
    rollouts: dict[str, Rollout], prompts: list[list[int]]
) -> None:
    drawn = rollouts["cached"].draw(prompts, 16, Draw(10, (END,)), step_key(0, 0))
    assert all(len(ids) == 10 or ids[-1] == END for ids in drawn)
    assert all(END not in ids[:-1] and PAD not in ids for ids in drawn)
    assert {len(ids) == 10 for ids in drawn} == {True, False}


def test_a_rows_completion_does_not_depend_on_the_other_rows(
    rollouts: dict[str, Rollout], prompts: list[list[int]]
) -> None:
    """Neither on how many there are behind it, nor on what the others ask, nor on the key's history."""
    rollout, key = rollouts["cached"], step_key(3, 7)
    first, second, third = prompts
    together = rollout.draw([first, second, third], 1, HOW, key)
    assert rollout.draw([first], 1, HOW, key) == together[:1]
    assert rollout.draw([first, third, third], 1, HOW, key)[0] == together[0]
    assert rollout.draw([first, first, third], 1, HOW, key)[2] == together[2]


def test_the_number_of_the_step_decides_what_is_drawn(rollouts: dict[str, Rollout], prompts: list[list[int]]) -> None:
    rollout = rollouts["cached"]
    first = rollout.draw(prompts, 4, HOW, step_key(0, 5))
    assert rollout.draw(prompts, 4, HOW, step_key(0, 5)) == first
    assert rollout.draw(prompts, 4, HOW, step_key(0, 6)) != first
    assert rollout.draw(prompts, 4, HOW, step_key(1, 5)) != first
    groups = [{tuple(ids) for ids in first[start : start + 4]} for start in (0, 4, 8)]
    assert any(len(group) > 1 for group in groups)  # siblings have numbers of their own


@pytest.mark.parametrize("which", ["cached", "whole"])
@pytest.mark.parametrize("how", [HOW, GREEDY])
def test_a_stream_is_the_draw_of_its_prompt_alone(
    which: str, how: Draw, rollouts: dict[str, Rollout], prompts: list[list[int]]
) -> None:
    rollout, heard = rollouts[which], list[int]()

    def heed(token: int) -> bool:
        heard.append(token)
        return False

    streamed = rollout.stream(prompts[1], how, step_key(0, 0), heed)
    assert [streamed] == [heard] == rollout.draw([prompts[1]], 1, how, step_key(0, 0))


@pytest.mark.parametrize(
    "how", [Draw(24, (END,), top_k=1), Draw(24, (END,), top_p=1e-6), Draw(24, (END,), temperature=1e-4)]
)
def test_narrow_sampling_is_greedy(how: Draw, rollouts: dict[str, Rollout], prompts: list[list[int]]) -> None:
    rollout = rollouts["cached"]
    assert rollout.draw(prompts, 1, how, step_key(0, 0)) == rollout.draw(prompts, 1, GREEDY, step_key(0, 0))


def narrowed(probabilities: Any, temperature: float, top_k: int, top_p: float) -> Any:
    """What is left of a distribution, written out: first the temperature, then the likeliest, then the share."""
    kept = probabilities ** (1 / temperature)
    kept = kept / kept.sum()
    order = np.argsort(-kept)
    if top_k:
        kept[order[top_k:]] = 0
        kept = kept / kept.sum()
    if top_p < 1:
        before = np.cumsum(kept[order]) - kept[order]
        kept[order[before >= top_p]] = 0
    return kept / kept.sum()


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.7, 0, 1.0), (1.5, 5, 1.0), (1.5, 0, 0.8), (2.0, 8, 0.9)]
)
def test_sampling_draws_each_token_as_often_as_it_is_likely(
    temperature: float, top_k: int, top_p: float, rollouts: dict[str, Rollout], prompts: list[list[int]]
) -> None:
    rollout, prompt, count = rollouts["cached"], prompts[0], 4000
    expected = count * narrowed(likely(rollout, prompt).astype(np.float64), temperature, top_k, top_p)
    drawn = rollout.draw([prompt], count, Draw(1, (END,), temperature, top_k, top_p), step_key(0, 0))
    found = np.bincount([ids[0] for ids in drawn], minlength=len(expected))
    assert found[expected == 0].sum() == 0  # nothing that was left out
    # Tokens that are expected fewer than five times are counted together: chi square wants no rarer ones.
    common = expected >= 5
    ours = np.append(found[common], found[~common].sum())
    theirs = np.append(expected[common], expected[~common].sum())
    ours, theirs = ours[theirs > 0], theirs[theirs > 0]
    chi_square, freedom = float(((ours - theirs) ** 2 / theirs).sum()), len(theirs) - 1
    # Its mean is the number of degrees, its variance twice that: four deviations are passed once in some thousands.
    assert freedom >= 1
    assert chi_square < freedom + 4 * np.sqrt(2 * freedom) + 4


def test_prompts_are_filled_up_on_the_left_to_a_width_that_serves_many() -> None:
    ids = padded([[5, 6], [7]])
    assert ids.shape == (2, 32)
    assert ids[0, -2:].tolist() == [5, 6] and ids[1, -1] == 7
    assert set(ids[0, :-2]) == {PAD}
    assert padded([list(range(33))]).shape == (1, 64)
    assert padded([[1]], 48).shape == (1, 48)
