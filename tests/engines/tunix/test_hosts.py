"""Two hosts, here two processes of one: they train one run together, stop together and go on."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("tunix")

import jax
import numpy as np
from engines.runs import events, weights
from support import small

from grpoctl.engines.tunix import hosts
from grpoctl.errors import InputError
from grpoctl.plan import plan_new
from grpoctl.preflight import Preflight
from grpoctl.run import checkpoints
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.view import view_run

TWO_DEVICES = ("train", "quickstart", *small("tunix"), "per_device_train_batch_size=1", "mesh={fsdp: 2, tensor: 1}")
TOGETHER = (*TWO_DEVICES, "skip_jax_distributed_system=false")
LONGEST_S = 240  # on a machine that others use too

Process = subprocess.Popen[str]


@pytest.fixture
def collectives() -> None:
    if getattr(jax.config, "jax_cpu_collectives_implementation", None) != "gloo":
        pytest.skip("this JAX has no collectives between CPUs")


def environment(devices: int, **more: str) -> Mapping[str, str]:
    flags = f"--xla_force_host_platform_device_count={devices}"
    # Programs that run a few times need not be the fastest.
    quick = {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "XLA_FLAGS": flags}
    return {**os.environ, **quick, **more}


@contextmanager
def two_hosts(*words: str) -> Iterator[list[Process]]:
    """The same command on each host, as a person would start it."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    processes = [
        subprocess.Popen(
            [sys.executable, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(1, JAX_COORDINATOR_ADDRESS=address, JAX_NUM_PROCESSES="2", JAX_PROCESS_ID=str(number)),
        )
        for number in range(2)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def ends(processes: list[Process]) -> list[tuple[int, str]]:
    said = [process.communicate(timeout=LONGEST_S)[0] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


@pytest.mark.usefixtures("collectives")
def test_two_hosts_stop_together_and_go_on_as_one_host_with_two_devices(tmp_path: Path) -> None:
    run, alone = RunDirectory(tmp_path / "run"), RunDirectory(tmp_path / "alone")
    with two_hosts(
        "-m", "grpoctl", *TOGETHER, "max_steps=1000", "save_steps=1000", f"output_dir={run.path}"
    ) as processes:
        latest = time.monotonic() + LONGEST_S
        while not events(run, ev.STEP):
            assert all(process.poll() is None for process in processes), ends(processes)
            assert time.monotonic() < latest
            time.sleep(0.05)
        processes[1].send_signal(signal.SIGTERM)  # to the one that does not lead
        ended = ends(processes)
    assert [code for code, _ in ended] == [128 + signal.SIGTERM] * 2, ended
    view = view_run(run)
    assert view.status == "stopped"
    assert checkpoints.newest_whole(run)[0] == run.checkpoint(view.step)

    steps = f"max_steps={view.step + 1}"
    with two_hosts("-m", "grpoctl", "train", "--resume", str(run.path), steps) as processes:
        ended = ends(processes)
    assert [code for code, _ in ended] == [0, 0], ended
    assert f"going on from checkpoint-{view.step}" in ended[0][1]
    assert "the first host tells what happens" in ended[1][1]
    assert [event["step"] for event in events(run, ev.STEP)] == list(range(1, view.step + 2))  # each told once

    words = [*TWO_DEVICES, steps, f"output_dir={alone.path}"]
    subprocess.run([sys.executable, "-m", "grpoctl", *words], env=environment(2), check=True, timeout=LONGEST_S)
    ours, theirs = weights(run), weights(alone)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-4)


TALK = """
import math
from grpoctl.engines.tunix import hosts
from grpoctl.errors import GrpoctlError

def fail():
    raise GrpoctlError("reward mine: is gone")

hosts.join(60)
me = 0 if hosts.leads() else 1
totals = hosts.agreed(lambda: [0.1, math.nan])
assert totals[0] == 0.1 and math.isnan(totals[1])
assert hosts.agreed(lambda: {"of": me, "words": "é" * 300}) == {"of": 0, "words": "é" * 300}
assert hosts.any_signal([None, 15][me]) == 15
assert hosts.any_signal(None) is None
hosts.meet("here")
try:
    hosts.agreed(fail)
except GrpoctlError as error:
    print(error)
"""


@pytest.mark.usefixtures("collectives")
def test_what_the_first_host_makes_reaches_the_others_and_so_does_its_failure() -> None:
    with two_hosts("-c", TALK) as processes:
        ended = ends(processes)
    assert [code for code, _ in ended] == [0, 0], ended
    assert ended[0][1].endswith("reward mine: is gone\n")
    assert ended[1][1].endswith("the first host has failed: reward mine: is gone\n")


def test_hosts_without_a_common_folder_are_refused_before_anything_is_loaded() -> None:
    found: Preflight = plan_new("quickstart", ["engine=tunix", "skip_jax_distributed_system=false"]).found
    said = [str(error) for error in found.errors]
    assert len(said) == 1
    assert "skip_jax_distributed_system: is false, and each host would make a run folder of its own" in said[0]
    assert "set output_dir, on storage that all hosts share" in said[0]


def test_a_host_that_finds_no_other_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(**_: object) -> None:
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", alone)
    with pytest.raises(InputError, match="set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID"):
        hosts.join(1)


def test_one_host_alone_neither_waits_nor_copies() -> None:
    array = jax.numpy.ones(2)
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]).reshape(1, 1), ("fsdp", "tp"))
    assert hosts.leads()
    assert hosts.agreed(lambda: array) is array
    assert hosts.any_signal(15) == 15
    assert hosts.any_signal(None) is None
    assert hosts.spread_rows(array, mesh) is array
    assert hosts.spread_copies(array, mesh) is array
