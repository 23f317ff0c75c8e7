"""A step on Tunix: what it leaves alone where its numbers are none, and whose turn it is."""

from collections.abc import Callable
from statistics import fmean
from typing import Any

import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("tunix")

import numpy as np
from engines.hooks import Hooks
from engines.runs import events, samples
from flax import nnx

from grpoctl.engines.tunix.learner import GroupLearner, NonFinite
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory

Train = Callable[..., RunDirectory]


def trained_numbers(learner: GroupLearner) -> list[Any]:
    adapters = nnx.state(learner.model, nnx.LoRAParam)
    return [np.array(part) for part in jax.tree.leaves(adapters)]


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_loss_that_is_no_number_has_not_reached_the_weights(
    accumulation: int, train: Train, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its error says."""
    hooks.spoil_loss(monkeypatch, 2)
    update, seen = GroupLearner.update, list[list[Any]]()

    def watched(self: GroupLearner, step: int, examples: Any) -> Any:
        seen.append(trained_numbers(self))
        try:
            return update(self, step, examples)
        finally:
            seen.append(trained_numbers(self))

    monkeypatch.setattr(GroupLearner, "update", watched)
    with pytest.raises(NonFinite, match="the weights of step 2 are untouched"):
        train(f"gradient_accumulation_steps={accumulation}")
    assert len(seen) == 6  # before and behind three steps
    moved = [any(not np.array_equal(*pair) for pair in zip(*seen[at : at + 2], strict=True)) for at in (0, 2, 4)]
    assert moved == [True, True, False]


def test_every_problem_has_its_turn_in_an_epoch_and_each_epoch_another_order(straight: Train) -> None:
    run = straight()
    # two prompts of four answers a step, four steps an epoch
    asked = [sample["prompt"] for step in events(run, ev.STEP) for sample in samples(run, step["step"])][::4]
    first, second = asked[:8], asked[8:]
    assert len(set(first)) == 8
    assert set(first) == set(second) and first != second


def test_the_quickstart_learns(train: Train) -> None:
    """What the README promises of 80 steps shows in a few: half of the reward becomes three quarters of it."""
    run = train(
        "max_steps=14", "per_device_train_batch_size=16", "num_generations=8", "max_completion_length=40",
        "max_samples=null", "save_steps=20",
    )  # fmt: skip
    rewards = [step["reward"] for step in events(run, ev.STEP)]  # 2 at most
    assert fmean(rewards[:2]) < 1.2
    assert fmean(rewards[-4:]) > 1.5
