"""What a training on TRL has of its own: threads, and the time that the README promises."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from engines.hooks import break_reward
from engines.runs import events

from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory

Train = Callable[..., RunDirectory]


def test_the_resolved_recipe_holds_the_threads_that_were_used(train: Train) -> None:
    run = train("num_threads=2")
    assert json.loads(run.resolved.read_text())["num_threads"] == 2
    assert torch.get_num_threads() == 2


def test_trying_threads_holds_nothing_against_a_reward(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_on_the_first(completions: Sequence[str], answer: Sequence[str], **_: Any) -> list[float]:
        if "147" in answer:  # the first problem's, which is what is tried
            raise ValueError("cannot take it")
        return [0.0] * len(completions)

    break_reward(monkeypatch, fails_on_the_first)
    run = train("num_threads=null", "per_device_train_batch_size=1")
    assert sum(step["reward_failures"] for step in events(run, ev.STEP)) == 4  # one problem's four answers


def test_the_quickstart_learns_to_add(train: Train) -> None:
    """The promise of the README: from a quarter to nine tenths and more, within two minutes of training."""
    run = train(
        "max_steps=80", "per_device_train_batch_size=16", "num_generations=8", "max_completion_length=40",
        "max_samples=null", "num_threads=null", "eval_dataset=tiny_arithmetic_test", "save_steps=20",
    )  # fmt: skip
    before, after = (event["accuracy"] for event in events(run, ev.EVAL))
    assert 0.15 <= before <= 0.35
    assert after >= 0.9
    seconds = sum(step["step_time_s"] for step in events(run, ev.STEP))
    assert seconds <= 120
