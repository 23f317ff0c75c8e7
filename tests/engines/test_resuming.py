"""A run that was killed and resumed is the run that was never stopped, bit for bit: on every engine."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engines.hooks import Hooks
from engines.runs import events, lasting_events, resumed_from, same, told, unfinish, weights
from support import small

from grpoctl.errors import InputError
from grpoctl.rewards.scoring import Scorer, Scores
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import read_events

Train = Callable[..., RunDirectory]


class Killed(BaseException):
    """Stands for the end of a process: nothing catches it, and nothing is told."""


def die(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize(
    ("overrides", "micro_step", "checkpoint"),
    [
        ((), 1, 0),  # before the first checkpoint: the run starts again
        ((), 4, 3),  # one epoch has four steps
        ((), 7, 6),  # in the second epoch
        (("num_iterations=2",), 4, 3),  # step 4 uses the completions of step 3 again
        # in the middle of a step, from the middle of a generation, with a rate of each step's own
        (("num_iterations=3", "gradient_accumulation_steps=2", "lr_scheduler_type=linear", "save_steps=4"), 15, 4),
        (("finetuning_type=full", "learning_rate=2e-4"), 7, 6),
        (("pref_beta=0.04",), 7, 6),
        (("logging_steps=5",), 7, 6),
    ],
)
def test_a_killed_run_ends_in_the_same_weights(
    overrides: tuple[str, ...],
    micro_step: int,
    checkpoint: int,
    hooks: Hooks,
    straight: Train,
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = straight(*overrides)
    with monkeypatch.context() as patch:
        hooks.at_micro_step(patch, micro_step, die)
        with pytest.raises(Killed):
            train(*overrides, name="killed")
    killed = RunDirectory(tmp_path / "killed")
    hooks.disturb()
    train(resume=killed)
    assert resumed_from(killed) == [checkpoint]
    assert same(whole, killed)
    if "logging_steps=5" not in overrides:  # a mean over steps of which the first were before the kill is another
        assert told(whole) == told(killed)


def test_a_run_that_is_killed_as_it_draws_ends_in_the_same_weights(
    hooks: Hooks, straight: Train, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, score = straight(), Scorer.score
    drawn = 0

    def dying(self: Scorer, completions: Sequence[str], *rest: Any) -> Scores:
        nonlocal drawn
        drawn += len(completions) == 8
        if drawn == 5:
            raise Killed
        return score(self, completions, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Scorer, "score", dying)
        with pytest.raises(Killed):
            train(name="killed")
    killed = RunDirectory(tmp_path / "killed")
    hooks.disturb()
    train(resume=killed)
    assert resumed_from(killed) == [3]
    assert same(whole, killed)
    assert told(whole) == told(killed)


def test_a_run_that_started_from_an_adapter_goes_on_with_its_own(train: Train) -> None:
    """With a reference, which is a second copy of the start adapter."""
    first = train("max_steps=2", name="first")
    start = (f"adapter_name_or_path={first.path}", "pref_beta=0.04")
    straight = train(*start, name="whole")
    assert not list(straight.path.rglob("ref"))
    stopped = train(*start, "max_steps=6", "lr_scheduler_type=constant", name="stopped")
    train("max_steps=8", resume=stopped)
    assert resumed_from(stopped) == [6]
    assert same(straight, stopped)


def test_a_stop_in_place_of_an_evaluation_only_puts_it_off(
    train: Train, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are due behind step 4."""
    with monkeypatch.context() as patch:
        hooks.at_micro_step(patch, 3, lambda: signal.raise_signal(signal.SIGTERM))
        run = train("eval_dataset=tiny_arithmetic_test", "eval_strategy=steps", "eval_steps=2")
    assert resumed_from(run) == []
    train(resume=run)
    assert [event["step"] for event in lasting_events(run, ev.EVAL)] == [0, 2, 4, 6, 8]


def test_a_recipe_that_counts_otherwise_draws_anew(train: Train) -> None:
    run = train("max_steps=3", "num_iterations=2", "save_steps=1")
    train("max_steps=6", "gradient_accumulation_steps=2", "num_iterations=1", resume=run)
    drawn = [event["step"] for event in events(run, ev.SAMPLES)]
    assert drawn == [1, 3, 4, 5, 6]  # twice on each until step 3, and then each step its own


def test_how_often_it_saves_is_the_recipes_of_now(train: Train) -> None:
    run = train("max_steps=3")
    train("max_steps=6", "save_steps=1", resume=run)
    assert [event["step"] for event in events(run, ev.CHECKPOINT)] == [3, 4, 5, 6]


def test_without_its_optimiser_a_run_keeps_its_place_in_the_schedule(
    train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    run = train("max_steps=4", "save_only_model=true", "lr_scheduler_type=linear")
    with caplog.at_level("WARNING"):
        train("max_steps=8", resume=run)
    assert "holds the model alone, so the optimiser starts anew" in caplog.text
    rates = [event["learning_rate"] for event in lasting_events(run, ev.STEP)]
    assert rates[4:] == pytest.approx([1e-3, 7.5e-4, 5e-4, 2.5e-4])  # the second half of eight steps from 2e-3


def test_training_moves_the_weights_that_are_compared(straight: Train, train: Train) -> None:
    assert not same(straight(), train("max_steps=7", name="shorter"))


def test_a_damaged_checkpoint_is_passed_over(straight: Train, train: Train, caplog: pytest.LogCaptureFixture) -> None:
    whole, run = straight(), train()
    unfinish(run)
    files = [path for path in run.checkpoint(8).rglob("*") if path.is_file() and path.name != "seal.json"]
    largest = max(files, key=lambda path: path.stat().st_size)  # the weights or the optimiser
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    name = str(largest.relative_to(run.checkpoint(8)))
    with caplog.at_level("WARNING"):
        train(resume=run)
    assert f"checkpoint-8 has a damaged {name}; it is passed over" in caplog.text
    assert resumed_from(run) == [6]
    assert same(whole, run)


def test_a_run_can_be_made_longer(train: Train) -> None:
    long = train("max_steps=10", "lr_scheduler_type=constant", name="long")
    short = train("max_steps=6", "lr_scheduler_type=constant", name="short")
    train("max_steps=10", resume=short)
    assert resumed_from(short) == [6]
    assert same(long, short)


def test_a_resumed_run_goes_by_the_recipe_of_now(train: Train) -> None:
    run = train("max_steps=4", "learning_rate=1e-3", "lr_scheduler_type=linear")
    train("max_steps=8", "learning_rate=4e-4", resume=run)
    rates = [event["learning_rate"] for event in lasting_events(run, ev.STEP)]
    # linear from the peak to 0: over four steps of 1e-3, then the second half of eight steps of 4e-4
    assert rates == pytest.approx([1e-3, 7.5e-4, 5e-4, 2.5e-4, 2e-4, 1.5e-4, 1e-4, 5e-5])


def test_a_finished_run_wants_more_steps(train: Train) -> None:
    run = train()
    before = run.events.read_text()
    with pytest.raises(InputError, match=r"is finished at step 8; give more steps to go on \(max_steps=16\)"):
        train(resume=run)
    assert run.events.read_text() == before


def test_a_run_whose_steps_are_done_gets_its_model_back(train: Train) -> None:
    run = train()
    before = weights(run)
    unfinish(run)
    for file in run.path.glob("*.safetensors"):
        file.unlink()
    train(resume=run)
    assert all(np.array_equal(before[name], weight) for name, weight in weights(run).items())


@contextmanager
def started(engine: str, folder: Path, *overrides: str) -> Iterator[subprocess.Popen[str]]:
    words = ["train", "quickstart", *small(engine), f"output_dir={folder}", *overrides]
    command = [sys.executable, "-m", "grpoctl", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        yield process


def wait_for(folder: Path, kind: str, process: subprocess.Popen[str]) -> None:
    """Until an event of that kind is there."""
    latest = time.monotonic() + 240
    while not any(event["event"] == kind for event in read_events(folder / "events.jsonl")[0]):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < latest
        time.sleep(0.02)


def test_kill_9_and_sigterm_lose_nothing_of_a_real_process(
    engine: str, tmp_path: Path, straight: Train, train: Train
) -> None:
    with started(engine, tmp_path / "killed", "save_steps=1") as process:
        wait_for(tmp_path / "killed", ev.CHECKPOINT, process)
        process.kill()
    with started(engine, tmp_path / "asked", "save_steps=1000") as process:
        wait_for(tmp_path / "asked", ev.STEP, process)
        process.terminate()
        said = process.communicate(timeout=120)[0]
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "stopped at step" in said and "go on: grpoctl train --resume" in said
    whole = straight()
    for name in ("killed", "asked"):
        run = RunDirectory(tmp_path / name)
        train(resume=run)
        assert len(resumed_from(run)) == 1 and resumed_from(run)[0] > 0
        assert same(whole, run), name
