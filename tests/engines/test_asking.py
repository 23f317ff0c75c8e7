"""Answers outside of training, on every engine: the same streamed as whole, by the seed, within the limits."""

from collections.abc import Callable
from typing import Any

import pytest
from engines.adapters import AS_IN, TINY, write_adapter

from grpoctl.engines.base import load_engine
from grpoctl.recipe.keys.evaluation import EvalModes, EvalSampling
from grpoctl.recipe.load import load_recipe

PROMPT = "<|im_start|>user\nSam finds 92 cards, then another 49. How many in all?<|im_end|>\n<|im_start|>assistant\n"
OTHER = "<|im_start|>user\n12 + 30?<|im_end|>\n<|im_start|>assistant\n"
# So hot that any byte may follow any other: most of it is no UTF-8.
HOT = EvalSampling(temperature=100.0)

Open = Callable[..., Any]


@pytest.fixture(scope="session")
def opened(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Open:
    """The tiny model, as it is or with adapters; each is opened once."""
    kept: dict[tuple[bool, int], Any] = {}
    adapter = write_adapter(tmp_path_factory.mktemp("asked") / "adapter")

    def get(adapted: bool = False, max_tokens: int = 40) -> Any:
        key = (adapted, max_tokens)
        if key not in kept:
            words = [f"engine={engine}", f"max_completion_length={max_tokens}", *AS_IN]
            made = load_engine(engine)
            assert made is not None
            kept[key] = made.open(load_recipe("quickstart", words), TINY, adapter if adapted else None)
        return kept[key]

    return get


@pytest.mark.parametrize("mode", ["greedy", "standard", "liberal", "hot"])
@pytest.mark.parametrize("adapted", [False, True])
def test_a_streamed_answer_is_the_sampled_one(mode: str, adapted: bool, opened: Open) -> None:
    asked = opened(adapted)
    sampling = HOT if mode == "hot" else getattr(EvalModes(), mode)
    counts = []
    for seed in range(3):
        pieces: list[str] = []
        streamed = asked.stream(PROMPT, sampling, seed, pieces.append)
        assert [streamed] == asked.sample([PROMPT], sampling, seed)
        assert "".join(pieces) == streamed.text
        counts.append(len(pieces))
    assert max(counts) > 2  # or nothing was shown to be put together


def test_adapters_change_the_answers(opened: Open) -> None:
    greedy = EvalModes().greedy
    plain, adapted = (opened(adapted).sample([PROMPT, OTHER], greedy, 0) for adapted in (False, True))
    assert plain != adapted


def test_the_seed_decides_what_is_drawn(opened: Open) -> None:
    asked, liberal = opened(), EvalModes().liberal

    def drawn(seed: int) -> str:
        text: str = asked.stream(PROMPT, liberal, seed, lambda text: None).text
        return text

    assert [drawn(seed) for seed in range(5)] == [drawn(seed) for seed in range(5)]
    assert len({drawn(seed) for seed in range(5)}) > 1


def test_the_likeliest_answer_is_the_same_alone_and_among_others(opened: Open) -> None:
    asked, greedy = opened(), EvalModes().greedy
    together = asked.sample([PROMPT, OTHER, PROMPT], greedy, 0)
    assert together[0] == together[2] != together[1]
    assert [together[1]] == asked.sample([OTHER], greedy, 1)


def test_as_many_answers_come_as_prompts_go_in(opened: Open) -> None:
    asked = opened()
    prompts = [PROMPT, OTHER] * 4
    assert asked.rows_at_once(prompts) >= 1
    # The last batch of an evaluation is smaller than those before it.
    answers = [asked.sample(part, EvalModes().greedy, 0) for part in (prompts[:4], prompts[:3])]
    assert [len(part) for part in answers] == [4, 3]
    assert answers[0][:3] == answers[1]


def test_text_comes_with_its_token_and_not_at_the_end(opened: Open) -> None:
    heard: list[str] = []
    taken = 3
    completion = opened().stream(PROMPT, EvalModes().greedy, 0, heard.append, stopped=lambda: len(heard) == taken)
    assert completion.tokens == len(heard) == taken
    assert completion.truncated
    assert completion.text == "".join(heard)


def test_an_answer_that_is_stopped_or_fails_leaves_the_model_as_it_was(opened: Open) -> None:
    asked = opened(adapted=True)

    def fail(text: str) -> None:
        raise BrokenPipeError

    before = [asked.sample([PROMPT], EvalModes().liberal, seed) for seed in range(3)]
    asked.stream(PROMPT, HOT, 0, lambda text: None, stopped=lambda: True)
    with pytest.raises(BrokenPipeError):
        asked.stream(PROMPT, EvalModes().greedy, 0, fail)
    assert [asked.sample([PROMPT], EvalModes().liberal, seed) for seed in range(3)] == before


@pytest.mark.parametrize(("own", "given", "tokens"), [(40, 5, 5), (6, 40, 6), (7, None, 7)])
def test_the_smaller_limit_cuts_an_answer_off(own: int, given: int | None, tokens: int, opened: Open) -> None:
    asked = opened(max_tokens=own)
    completion = asked.stream(PROMPT, EvalModes().greedy, 0, lambda text: None, max_tokens=given)
    assert (completion.tokens, completion.truncated) == (tokens, True)
