"""Where JAX runs: a trace of it, how full its devices are, and several devices that train as one."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("tunix")

import numpy as np
from engines.runs import events, weights
from support import small

from grpoctl.engines.tunix import devices
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory

Train = Callable[..., RunDirectory]


# --- what is said of them


def test_compiled_programs_are_kept_where_caches_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert devices.cache_folder() == Path("/somewhere/grpoctl/jax")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert devices.cache_folder() == Path.home() / ".cache" / "grpoctl" / "jax"


def test_memory_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Chip:
        device_kind = "TPU v9"

        def __init__(self, used: int) -> None:
            self._used = used

        def memory_stats(self) -> dict[str, int]:
            return {"bytes_in_use": self._used, "bytes_limit": 16 * 2**30, "peak_bytes_in_use": 12 * 2**30}

    monkeypatch.setattr(jax, "local_devices", lambda: [Chip(2**30), Chip(3 * 2**30)])
    assert devices.memory_in_words() == "3.00 of 16.00 GiB on the fullest of 2 TPU v9, at most 12.00"
    monkeypatch.undo()
    held, most = re.fullmatch(r"(.+) GiB in this process, at most (.+)", devices.memory_in_words()).groups()  # type: ignore[union-attr]
    assert 0 < float(held) <= float(most)
    assert float(devices.memory_in_words().split()[0]) > 0.1


def test_a_trace_of_some_steps_lands_in_the_run(train: Train) -> None:
    run = train("profile_steps=2", "max_steps=5")
    [trace] = (run.path / "profile").rglob("*.xplane.pb")
    assert trace.stat().st_size > 1000
    assert not (train("max_steps=1", name="without").path / "profile").exists()


def test_a_run_that_ends_before_its_trace_does_keeps_what_there_is(train: Train) -> None:
    run = train("profile_steps=10", "max_steps=4")
    assert list((run.path / "profile").rglob("*.xplane.pb"))
    # and the next one can write its own
    assert list((train("profile_steps=1", "max_steps=3", name="next").path / "profile").rglob("*.xplane.pb"))


# --- several of them, which one process simulates

FOUR = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}


def trained(folder: Path, *overrides: str) -> RunDirectory:
    words = ["train", "quickstart", *small("tunix"), "max_steps=5", "save_steps=5", f"output_dir={folder}", *overrides]
    done = subprocess.run(
        [sys.executable, "-m", "grpoctl", *words], capture_output=True, text=True, timeout=590, check=False, env=FOUR
    )
    assert done.returncode == 0, done.stderr
    return RunDirectory(folder)


def far(one: RunDirectory, other: RunDirectory) -> float:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours)


def losses(run: RunDirectory) -> list[float]:
    return [step["loss"] for step in events(run, ev.STEP)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return trained(tmp_path_factory.mktemp("alone") / "run")


@pytest.mark.parametrize(
    "split",
    [
        ("mesh={fsdp: 2, tensor: 2}", "per_device_train_batch_size=1"),
        ("mesh={fsdp: 2, tensor: 1}", "rollout_mesh={fsdp: 2, tensor: 1}", "per_device_train_batch_size=1"),
    ],
)
def test_several_devices_train_as_one(split: tuple[str, ...], alone: RunDirectory, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", *split)
    # the same prompts a step, and the same answers to them
    one, other = ([json.loads(line) for line in each.completions(1).read_text().splitlines()] for each in (alone, run))
    assert [sample["completion"] for sample in one] == [sample["completion"] for sample in other]
    assert losses(run) == pytest.approx(losses(alone), abs=1e-4)
    assert any(abs(step["grad_norm"]) > 1e-3 for step in events(run, ev.STEP))
    assert far(alone, run) < 1e-4
