"""What a batch earns, and that a reward's failures are counted and never look like bad answers."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import ReadyReward, Reward
from grpoctl.rewards.results import BrokenReward
from grpoctl.rewards.scoring import Scorer, Scores


def ready(function: Callable[..., Any], *columns: str, weight: float = 1.0) -> ReadyReward:
    """A reward around a function of these columns, which no registry knows."""
    return ReadyReward(Reward(function.__name__, function, columns=columns), weight, {})


def returning(scores: Any, weight: float = 1.0) -> ReadyReward:
    """A reward that returns just this, whatever it is asked."""

    def given(completions: list[str]) -> Any:
        return scores

    return ready(given, weight=weight)


def scored(*rewards: ReadyReward, completions: str = "abc") -> Scores:
    """The scores of completions of one letter each."""
    return Scorer(rewards).score(list(completions), {})


def broken_by(*rewards: ReadyReward) -> str:
    """What is said of a reward that ends the run, at once or after a few batches."""
    scorer = Scorer(rewards)
    with pytest.raises(BrokenReward) as caught:
        for _ in range(3):
            scorer.score(list("abc"), {})
    return str(caught.value)


def told(values: list[float]) -> list[float | None]:
    """NaN equals nothing, so None stands for it."""
    return [None if math.isnan(value) else value for value in values]


# --- sums


def test_the_total_is_the_weighted_sum() -> None:
    found = scored(returning([1, 0, 1]), returning([0.5, 1, 0], weight=2), returning([1, 1, 0], weight=-0.25))
    # 1 + 1 - 0.25, 0 + 2 - 0.25 and 1 + 0 - 0.
    assert found.totals == [1.75, 1.75, 1.0]
    assert found.failures == {}


def test_the_scores_of_each_reward_stay_unweighted() -> None:
    assert scored(returning([1, 0, 0.5], weight=3)).by_reward == {"given": [1.0, 0.0, 0.5]}


def test_a_reward_that_does_not_apply_has_no_part_in_the_sum() -> None:
    found = scored(returning([None, 1, None]), returning([0.5, None, None]))
    assert told(found.totals) == [0.5, 1.0, None]
    assert found.by_reward["given"] == [None, 1.0, None]
    assert found.failures == {}


def test_a_reward_that_applies_to_nothing_is_not_broken() -> None:
    assert told(scored(returning([None] * 3)).totals) == [None] * 3


def test_each_reward_sees_the_columns_it_names() -> None:
    def longer(completions: list[str], length: list[int]) -> list[float]:
        return [float(len(text) > count) for text, count in zip(completions, length, strict=True)]

    found = Scorer([ready(longer, "length")]).score(["ab", "ab"], {"length": [1, 2], "other": ["x", "y"]})
    assert found.totals == [1.0, 0.0]


@pytest.mark.parametrize("scores", [np.array([1.0, 0.0, 0.5]), [np.float32(1), np.int64(0), np.float64(0.5)]])
def test_numbers_of_numpy_are_numbers(scores: Any) -> None:
    found = scored(returning(scores))
    assert found.totals == [1.0, 0.0, 0.5]
    assert {type(score) for score in found.by_reward["given"]} == {float}


def test_true_is_one_and_false_is_nothing() -> None:
    assert scored(returning((True, False, np.True_))).totals == [1.0, 0.0, 1.0]


def test_the_same_reward_twice_gets_two_names() -> None:
    scorer = Scorer([returning([1, 1, 1]), returning([0, 1, 0], weight=2), returning([1, 0, 0], weight=4)])
    assert list(scorer.rewards) == ["given", "given_2", "given_3"]
    assert scorer.score(["a", "b", "c"], {}).totals == [5.0, 3.0, 1.0]


# --- failures of single completions


def test_a_reward_that_raises_fails_on_that_completion_alone() -> None:
    def picky(completions: list[str], answer: list[str]) -> list[float]:
        return [{"a": 1.0, "c": 0.5}[text] + len(gold) for text, gold in zip(completions, answer, strict=True)]

    found = Scorer([ready(picky, "answer"), returning([1, 1, 1])]).score(list("abc"), {"answer": ["", "x", "yy"]})
    assert found.by_reward["picky"] == [1.0, None, 2.5]
    # The other reward would have paid 1 for it, which a broken verifier must not turn into a bad answer.
    assert told(found.totals) == [2.0, None, 3.5]
    assert found.failures == {"picky": 1}


def test_failures_are_counted_for_each_reward() -> None:
    found = scored(returning([math.nan, 1, 1]), returning([math.nan, math.nan, 1]), returning([1, 1, 1]))
    assert found.failures == {"given": 1, "given_2": 2}
    assert told(found.totals) == [None, None, 3.0]


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


class Refuses:
    """An object that can be neither a number nor be shown."""

    def __float__(self) -> float:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("score", "shown"),
    [
        (math.nan, "nan"),
        (math.inf, "inf"),
        (np.float64("-inf"), "np.float64(-inf)"),
        ("1", "'1'"),
        (b"1", "b'1'"),
        ([1.0], "[1.0]"),
        ({}, "{}"),
        (1j, "1j"),
        (10**400, "1" + "0" * 39),  # cut behind 40 characters, and too large for a float
        (nested(100_000), "a list"),  # too deep for Python to show it
        (Refuses(), "a Refuses"),
        (np.zeros((2, 2)), r"array([[0., 0.],\n       [0., 0.]])"),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_what_is_no_finite_number_is_a_failure(score: Any, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    found = scored(returning([0.5, score, 1]))
    assert found.by_reward["given"] == [0.5, None, 1.0]
    assert told(found.totals) == [0.5, None, 1.0]
    assert found.failures == {"given": 1}
    assert caplog.messages == [
        f"reward given: fails on 1 of 3 completions (returned {shown}, which is no finite number); "
        "they are left out of the step."
    ]


def raising_unless_alone(returned: dict[str, Any]) -> ReadyReward:
    """Raises on several completions together, and returns what is given for a single one."""

    def moody(completions: list[str]) -> Any:
        (only,) = completions
        return returned[only]

    return ready(moody)


@pytest.mark.parametrize("wrong", [[1.0, 1.0], [1.0, math.nan], [], None, 1.0, [math.nan]])
def test_an_answer_that_is_no_single_score_fails_on_that_completion_alone(wrong: Any) -> None:
    found = scored(raising_unless_alone({"a": [1.0], "b": wrong, "c": [None]}))
    assert found.by_reward["moody"] == [1.0, None, None]
    assert told(found.totals) == [1.0, None, None]
    assert found.failures == {"moody": 1}


def test_the_log_has_the_first_failure_of_each_reward_once(caplog: pytest.LogCaptureFixture) -> None:
    scorer = Scorer([returning([math.nan, 1, 1]), returning([1, "x", "y"])])
    for _ in range(2):
        scorer.score(list("abc"), {})
    assert caplog.messages == [
        "reward given: fails on 1 of 3 completions (returned nan, which is no finite number); "
        "they are left out of the step.",
        "reward given_2: fails on 2 of 3 completions (returned 'x', which is no finite number); "
        "they are left out of the step.",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_the_log_file_has_the_first_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def verifier(completions: list[str]) -> list[float]:
        raise ValueError("no parser")

    scorer = Scorer([ready(verifier)])
    for _ in range(2):
        scorer.score(list("abc"), {})
    (told, traced) = caplog.records
    assert not hasattr(told, "log_only") and traced.log_only  # type: ignore[attr-defined]
    assert traced.getMessage().startswith("reward verifier: the first failure:\nTraceback")
    assert traced.getMessage().count('raise ValueError("no parser")') == 1


# --- slow rewards, which work beside the others


def slowly(function: Callable[..., Any]) -> ReadyReward:
    return ReadyReward(Reward(function.__name__, function, slow=True), 1.0, {})


def test_slow_rewards_work_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=5)

    def one(completions: list[str]) -> list[float]:
        meeting.wait()  # raises where the other does not come
        return [1.0] * len(completions)

    def two(completions: list[str]) -> list[float]:
        meeting.wait()
        return [0.5] * len(completions)

    found = scored(slowly(one), returning([1, 0, 0]), slowly(two))
    assert found.totals == [2.5, 1.5, 1.5]
    assert list(found.by_reward) == ["one", "given", "two"]


def test_a_reward_that_hangs_fails_on_the_batch_and_ends_the_run_in_time() -> None:
    gate = threading.Event()

    def hangs(completions: list[str]) -> list[float]:
        gate.wait(30)
        return [1.0] * len(completions)

    scorer = Scorer([slowly(hangs), returning([1, 1, 1])], Recipe(reward_timeout_s=0.05))
    start = time.perf_counter()
    found = scorer.score(list("abc"), {})
    assert told(found.totals) == [None] * 3
    assert found.failures == {"hangs": 3}
    with pytest.raises(BrokenReward, match=r"hangs: failed on 9 of 9 completions in 3 steps \(takes longer than 0.05"):
        for _ in range(2):
            scorer.score(list("abc"), {})
    assert time.perf_counter() - start < 5
    gate.set()


def test_what_a_slow_reward_raises_for_good_ends_the_run() -> None:
    def broken(completions: list[str]) -> Any:
        return 1.0

    with pytest.raises(BrokenReward, match="returned a float in place of a list"):
        scored(slowly(broken))


# --- rewards that give nothing to train on


def failing_on(count: int) -> ReadyReward:
    """Fails on so many of ten completions."""
    return returning([math.nan] * count + [1.0] * (10 - count))


@pytest.mark.parametrize(
    ("share", "failing", "ends"), [(0.2, 2, False), (0.2, 3, True), (0.0, 1, True), (1.0, 10, False)]
)
def test_the_run_ends_past_the_share_that_the_recipe_sets(share: float, failing: int, ends: bool) -> None:
    scorer = Scorer([failing_on(failing)], Recipe(max_reward_failures=share))
    for _ in range(2):  # it takes three steps to tell an accident from a fault
        scorer.score(list("abcdefghij"), {})
    if ends:
        with pytest.raises(BrokenReward, match=f"failed on {3 * failing} of 30 completions in 3 steps"):
            scorer.score(list("abcdefghij"), {})
    else:
        scorer.score(list("abcdefghij"), {})


def test_failures_in_a_trial_do_not_count(caplog: pytest.LogCaptureFixture) -> None:
    trial = Scorer([failing_on(10)], Recipe(max_reward_failures=0.0)).for_trial()
    for _ in range(5):
        trial.score(list("abcdefghij"), {})
    assert caplog.messages == []


def test_failing_on_all_completions_ends_the_run_with_the_first_reason_in_one_line() -> None:
    def verifier(completions: list[str]) -> list[float]:
        raise ValueError(f"no parser for {completions[0]}\x1b[31m\nTraceback: …\n" + "x" * 500)

    assert broken_by(ready(verifier)) == (
        r"reward verifier: failed on 9 of 9 completions in 3 steps "
        r"(ValueError: no parser for a\x1b[31m); mend it or take it out, or raise max_reward_failures."
    )


def test_a_long_reason_is_cut() -> None:
    def verifier(completions: list[str]) -> list[float]:
        raise ValueError("x" * 500)

    # 120 characters, 12 of which are `ValueError: `.
    assert f"(ValueError: {'x' * 108})" in broken_by(ready(verifier))


def test_scores_that_are_all_nan_end_the_run() -> None:
    assert broken_by(returning([math.nan] * 3)) == (
        "reward given: failed on 9 of 9 completions in 3 steps "
        "(returned nan, which is no finite number); mend it or take it out, or raise max_reward_failures."
    )


@pytest.mark.parametrize("scores", [[], [1.0], [1.0] * 4, np.ones(2)])
def test_too_few_or_too_many_scores_are_told_with_both_counts(scores: Any) -> None:
    assert broken_by(returning(scores)) == (
        f"reward given: returned {len(scores)} scores for 3 completions; "
        "return one for each completion, None where it does not apply."
    )


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        (None, "None"),
        (1.0, "a float"),
        ({0: 1.0, 1: 1.0, 2: 1.0}, "a dict"),
        ({1.0, 0.5, 0.0}, "a set"),
        ("123", "a str"),
        (np.array(1.0), "a ndarray"),  # which has a length until it is asked for it
    ],
)
def test_a_reward_that_returns_no_list_is_told_so(returned: Any, what: str) -> None:
    assert broken_by(returning(returned)) == (
        f"reward given: returned {what} in place of a list of scores; "
        "return one for each completion, None where it does not apply."
    )


def test_a_run_too_short_for_three_steps_ends_as_well() -> None:
    for steps, failed in ((1, "3 of 3 completions in 1 step "), (2, "6 of 6 completions in 2 steps ")):
        scorer = Scorer([returning([math.nan] * 3)], Recipe(max_steps=steps))
        for _ in range(steps - 1):
            scorer.score(list("abc"), {})
        with pytest.raises(BrokenReward, match=f"failed on {failed}"):
            scorer.score(list("abc"), {})
    # Two steps on the same completions are scored once.
    scorer = Scorer([returning([math.nan] * 3)], Recipe(max_steps=2, num_iterations=2))
    with pytest.raises(BrokenReward, match="3 of 3 completions in 1 step "):
        scorer.score(list("abc"), {})


@pytest.mark.parametrize("rewards", [[1.0, 1.0], [10.0, -10.0]])
def test_a_score_that_no_sum_can_hold_is_a_failure_of_its_row(rewards: list[float]) -> None:
    found = scored(*[returning([1e308, 1, -1e19], weight=weight) for weight in rewards])
    assert told(found.totals) == [None, sum(rewards), None]
    assert found.failures == {"given": 2, "given_2": 2}
    assert found.first_faults["given"].said == "returned 1e+308, which is too large to be summed"


def test_minus_nothing_is_nothing() -> None:
    (zero,) = Scorer([returning([-0.0])]).score(["a"], {}).by_reward["given"]
    assert math.copysign(1.0, zero or 0.0) == 1.0


@pytest.mark.parametrize("how", [SystemExit(3), KeyboardInterrupt(), BaseException("x"), GeneratorExit()])
def test_what_ends_the_thread_of_a_reward_is_told_as_what_it_is(how: BaseException) -> None:
    def ends(completions: list[str]) -> list[float]:
        raise how

    found = scored(slowly(ends))
    assert found.failures == {"ends": 3}
    assert found.first_faults["ends"].said.startswith(type(how).__name__)


def test_an_abandoned_reward_does_no_more_rows() -> None:
    rows: list[str] = []

    def slow(completions: list[str]) -> list[float]:
        if len(completions) > 1:
            raise ValueError("all at once")
        rows.append(completions[0])
        time.sleep(0.05)
        return [1.0]

    scorer = Scorer([slowly(slow)], Recipe(reward_timeout_s=0.12))
    found = scorer.score(list("abcdefgh"), {})
    # 0.12 s are begun with three rows of 0.05 s, or with fewer on a machine that has much to do.
    assert 1 <= len(rows) <= 3 and found.by_reward["slow"] == [1.0] * len(rows) + [None] * (8 - len(rows))
    assert found.first_faults["slow"].said == "was not done in time (reward_timeout_s)"


class NoLength(list[float]):
    def __len__(self) -> int:
        raise RuntimeError("no length")


class NoItems(list[float]):
    def __iter__(self) -> Iterator[float]:
        raise RuntimeError("no items")


def test_a_list_that_cannot_be_read_is_told_as_what_it_is() -> None:
    assert scored(returning(NoLength([1.0, 0.0, 0.5]))).totals == [1.0, 0.0, 0.5]
    assert scored(returning(NoItems([1.0, 0.0, 0.5]))).first_faults["given"].said == "RuntimeError: no items"


def test_a_column_of_an_array_is_a_list_of_numbers() -> None:
    assert scored(returning(np.array([[1.0], [0.0], [0.5]]))).totals == [1.0, 0.0, 0.5]
