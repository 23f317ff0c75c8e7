"""Length, repetitions, language: what a completion looks like."""

import time

import pytest

from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import BadReward, ready_reward
from grpoctl.rewards.shape import language_consistency, length, repetition_penalty, soft_overlong_penalty


def test_the_overlong_penalty_falls_over_the_last_fifth() -> None:
    tokens = [0, 80, 90, 100, 500]
    # The last fifth of 100 begins at 80, and 90 is half way through it.
    assert soft_overlong_penalty([""] * 5, tokens, max_completion_length=100) == [0.0, 0.0, -0.5, -1.0, -1.0]
    assert soft_overlong_penalty([""], [75], max_completion_length=100, soft_zone=0.5) == [-0.5]


def test_the_overlong_penalty_takes_the_recipes_limit() -> None:
    ready = ready_reward(RewardUse(use="soft_overlong_penalty"), Recipe(max_completion_length=40))
    assert ready.score(["x"], {"completion_tokens": [36]}) == [-0.5]


def test_length_pays_for_a_band() -> None:
    tokens = [0, 5, 10, 20, 30, 40, 90]
    # Half of 10 earns a half; 30 is half way from 20 to its double.
    expected = [0.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0]
    assert length([""] * 7, tokens, min_tokens=10, max_tokens=20) == expected
    assert length([""], [0], max_tokens=20) == [1.0]


def test_repetition_is_the_share_of_runs_that_were_there_before() -> None:
    # Runs of two of `a b a b a`: ab ba ab ba, and two of the four are new.
    assert repetition_penalty(["a b a b a"], ngram=2) == [-0.5]
    assert repetition_penalty(["one two three", "", "A b! a B?"], ngram=2) == pytest.approx([0.0, 0.0, -1 / 3])
    assert [str(score) for score in repetition_penalty(["one two three", ""])] == ["0.0", "0.0"]  # and not -0.0
    # Chinese has no spaces: 对不对不对不 has the runs 对不 不对 对不 不对 对不.
    assert repetition_penalty(["对不对不对不"], ngram=2) == [-0.6]


@pytest.mark.parametrize(
    ("completion", "question", "share"),
    [
        ("Half of 48 is 24.", "How many?", 1.0),
        ("四十八的一半是二十四", "How many?", 0.0),
        ("四十八的一半是二十四", "一共多少？", 1.0),
        ("<think>一半</think><answer>24</answer>", "一共多少？", 1.0),  # tags are no English
        (r"一半是 \\frac{48}{2} = $x + y$", "一共多少？", 1.0),  # nor are formulas
        ("一半 half", "一共多少？", 1 / 3),  # 2 of 6 letters
        ("これは半分です", "いくつ？", 1.0),
        ("24", "How many?", None),
        ("half", "48 / 2", None),
    ],
)
def test_language_is_that_of_the_question(completion: str, question: str, share: float | None) -> None:
    assert language_consistency([completion], [question]) == [pytest.approx(share) if share is not None else None]


def test_a_language_may_be_named() -> None:
    assert language_consistency(["половина", "half"], ["How many?"] * 2, language="ru") == [1.0, 0.0]


@pytest.mark.parametrize(
    ("use", "args", "message"),
    [
        ("length", {}, "uses length without max_tokens; add max_tokens: …"),
        ("length", {"max_tokens": 0}, "is not above 0; give a number of tokens"),
        ("length", {"max_tokens": 5, "min_tokens": 6}, "is above max_tokens or below 0; lower it"),
        ("soft_overlong_penalty", {"soft_zone": 0.0}, "is not between 0 and 1; give the share of the length that is"),
        ("repetition_penalty", {"ngram": 0}, "is not between 1 and 20; give a number of words, such as 4"),
        ("repetition_penalty", {"ngram": 1000}, "is not between 1 and 20; give a number of words, such as 4"),
        ("soft_overlong_penalty", {"max_completion_length": 0}, "is not above 0; give a number of tokens"),
        ("language_consistency", {"language": "english"}, "is english; use question, or one of en, de,"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(use: str, args: dict[str, object], message: str) -> None:
    with pytest.raises(BadReward) as caught:
        ready_reward(RewardUse(use=use, args=args), Recipe(max_completion_length=9))
    assert str(caught.value).startswith(message)


def test_no_completion_makes_them_slow() -> None:
    for hostile in (
        "a " * 5_000_000,
        "<" * 10_000_000,
        "$" * 10_000_000,
        "```" * 3_000_000,
        "\\\\" * 5_000_000,
        "字" * 10**7,
    ):
        start = time.perf_counter()
        repetition_penalty([hostile])
        language_consistency([hostile], [hostile])
        assert time.perf_counter() - start < 1
