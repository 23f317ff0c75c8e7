"""A killed run goes on as if nothing had been, where PyTorch draws numbers in training: in dropout."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("trl")

from engines.hooks import Hooks
from engines.runs import resumed_from, same, told

from grpoctl.run.directory import RunDirectory


class Killed(BaseException):
    """Stands for the end of a process: nothing catches it, and nothing is told."""


def die() -> None:
    raise Killed


def test_a_killed_run_with_dropout_ends_in_the_same_weights(
    hooks: Hooks, train: Callable[..., RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = train("lora_dropout=0.1", name="straight")
    with monkeypatch.context() as patch:
        hooks.at_micro_step(patch, 7, die)
        with pytest.raises(Killed):
            train("lora_dropout=0.1", name="killed")
    killed = RunDirectory(tmp_path / "killed")
    hooks.disturb()
    train(resume=killed)
    assert resumed_from(killed) == [6]
    assert same(straight, killed)
    assert told(straight) == told(killed)
