"""What a batch of hostile answers costs, and whom: tests/rewards/test_math.py tries single ones."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grpoctl.deadline import OutOfTime, set_deadline
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import ReadyReward, Reward
from grpoctl.rewards.scoring import Scorer
from grpoctl.symbolic import process
from grpoctl.symbolic.pairs import Pair
from grpoctl.symbolic.process import Verifier

FAKE_JUDGE = """
import time
def prepare(): pass
def read(node):
    time.sleep({"h": 60, "s": 0.2}.get(node[0], 0))  # hostile, and slow
    return node.lstrip("s")
def same(gold, said): return gold == said
"""


@pytest.fixture
def verifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Verifier]:
    (tmp_path / "sleeping_judge.py").write_text(FAKE_JUDGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    started = Verifier("sleeping_judge")
    started.judge([Pair("a", "a")])  # the start is no part of what is timed
    yield started
    started.close()


def math_by(verifier: Verifier) -> ReadyReward:
    """A reward that judges a batch as `math` does."""

    def judged(completions: list[str], answer: list[str]) -> list[float | None]:
        pairs = [Pair(gold, said) for said, gold in zip(completions, answer, strict=True)]
        return [float(bool(verdict)) for verdict in verifier.judge(pairs)]

    return ReadyReward(Reward("judged", judged, columns=("answer",), slow=True), 1.0, {})


def test_hostile_answers_cost_no_other_its_reward(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_FOR_THE_SLOW_S", 1.5)
    hostile = [f"h{number}" for number in range(10)]
    said = [*hostile, "a", "b", "a right answer longer than the hostile ones"]
    gold = ["a"] * 12 + ["a right answer longer than the hostile ones"]
    began = time.monotonic()
    found = Scorer([math_by(verifier)], counts=False).score(said, {"answer": gold})
    # Ten short turns of 0.05 s, then 1.5 s for two or three hostile ones, which are then known to be wrong.
    assert time.monotonic() - began < 4
    scores = found.by_reward["judged"]
    assert scores[10:] == [1.0, 0.0, 1.0]
    assert scores[:10].count(0.0) in (1, 2) and found.failures == {"judged": scores.count(None)}
    problem = "was not judged in time, as others of the batch are hard for math-verify"
    assert found.first_faults["judged"].said == problem


def test_what_takes_longer_than_a_short_turn_gets_a_long_one(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_FOR_THE_SLOW_S", 2.5)
    pairs = [Pair("a", "sa"), Pair("a", "sb"), Pair("a", "a"), Pair("b", "a"), Pair("sc", "c")]
    assert verifier.judge(pairs) == [True, False, True, False, True]


def test_an_abandoned_call_leaves_the_next_one_its_time(verifier: Verifier) -> None:
    scorer = Scorer([math_by(verifier)], Recipe(reward_timeout_s=1.0), counts=False)
    # Each would take 0.7 s, and all of them together 7.
    began = time.monotonic()
    found = scorer.score([f"h{number}" for number in range(10)], {"answer": ["a"] * 10})
    assert found.failures["judged"] >= 8
    found = scorer.score(["a", "b"], {"answer": ["a", "a"]})
    assert (found.by_reward, found.failures) == ({"judged": [1.0, 0.0]}, {})
    assert time.monotonic() - began < 3


def test_nobody_waits_for_another_batch_longer_than_there_is_time(verifier: Verifier) -> None:
    said: list[str] = []

    def ask() -> None:
        set_deadline(time.monotonic() + 0.1)
        with pytest.raises(OutOfTime) as caught:
            verifier.judge([Pair("a", "b")])
        said.append(str(caught.value))

    with verifier._lock:
        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(5)
    assert said == ["was not judged, as math-verify has another batch in hand"]


def test_a_batch_that_was_cut_off_is_judged_anew_where_something_new_is_asked(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_FOR_THE_SLOW_S", 0.1)
    pairs = [Pair("a", "sa"), Pair("a", "h")]
    with pytest.raises(OutOfTime):
        verifier.judge(pairs)
    began = time.monotonic()
    with pytest.raises(OutOfTime):
        verifier.judge(pairs[:1])  # the same batch, row by row
    assert time.monotonic() - began < 0.05
    monkeypatch.setattr(process, "_FOR_THE_SLOW_S", 10.0)
    assert verifier.judge([*pairs[:1], Pair("b", "b")]) == [True, True]
