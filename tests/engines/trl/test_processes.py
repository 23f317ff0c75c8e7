"""Two processes by torchrun: they share the work, stop together and go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("trl")

from support import SMALL

from grpoctl.run import checkpoints
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import read_events
from grpoctl.run.process import descendants
from grpoctl.run.view import view_run

TWO = (*SMALL, "nproc_per_node=2", "per_device_train_batch_size=1")


def test_two_processes_train_stop_and_go_on(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    words = ["train", "quickstart", *TWO, "max_steps=1000", f"output_dir={run.path}"]
    with subprocess.Popen(
        [sys.executable, "-m", "grpoctl", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        latest = time.monotonic() + 120
        while not any(event["event"] == ev.CHECKPOINT for event in read_events(run.events)[0]):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < latest
            time.sleep(0.05)
        workers = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + signal.SIGINT, said
    view = view_run(run)
    assert view.status == "stopped"
    assert checkpoints.newest_whole(run)[0] == run.checkpoint(view.step)
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    # 1 prompt x 2 processes x 4 answers, both processes' in one file
    samples = [json.loads(line) for line in run.completions(view.step).read_text().splitlines()]
    assert len(samples) == 8
    assert len({sample["prompt"] for sample in samples}) == 2

    words = ["train", "--resume", str(run.path), f"max_steps={view.step + 2}"]
    again = subprocess.run(
        [sys.executable, "-m", "grpoctl", *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert again.returncode == 0, again.stderr
    assert f"going on from checkpoint-{view.step}" in again.stdout
    assert view_run(run).status == "finished"


def test_a_worker_that_is_not_one_of_so_many_says_so(tmp_path: Path) -> None:
    words = ["train", "quickstart", *SMALL, f"output_dir={tmp_path / 'run'}"]
    result = subprocess.run(
        [sys.executable, "-m", "grpoctl", *words],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "WORLD_SIZE": "3"},
    )  # fmt: skip
    assert result.returncode == 1
    assert "nproc_per_node: is 1, and 3 processes were started; start it by grpoctl train." in result.stderr
