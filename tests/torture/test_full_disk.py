"""A disk that is full at any byte of a run: one line, every whole checkpoint kept, and a way on once there is room.

`make torture` runs it, where a tmpfs may be mounted; TORTURE_DISKS says how many disks (40).
"""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines.runs import same
from support import SMALL
from torture.children import ended, start

from grpoctl.run import checkpoints
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import read_events
from grpoctl.run.view import view_run

pytest.importorskip("trl")
pytestmark = pytest.mark.torture

DISKS = int(os.environ.get("TORTURE_DISKS", "40"))


@pytest.fixture(autouse=True)
def _loaded() -> None:
    import grpoctl.engines.trl.train  # noqa: F401


def sized(disk: Path, kib: int, *how: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", ",".join([*how, f"size={kib}k"]), "tmpfs", str(disk)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, full at first."""
    place = tmp_path / "disk"
    place.mkdir()
    try:
        sized(place, 64)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no tmpfs may be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=False, capture_output=True)


def test_a_disk_that_is_full_at_any_byte_loses_no_finished_work(tmp_path: Path, disk: Path) -> None:
    chance, said = random.Random(0), tmp_path / "said"
    straight = RunDirectory(tmp_path / "straight")
    assert ended(start(["train", "quickstart", *SMALL, f"output_dir={straight.path}"]), 300) == 0
    takes_kib = sum(-(-path.stat().st_size // 4096) * 4 for path in straight.path.rglob("*") if path.is_file())
    full = finished = kept = 0
    for number in range(DISKS):
        subprocess.run(["umount", str(disk)], check=True)
        sized(disk, chance.randint(8, takes_kib + 100))
        run = RunDirectory(disk / "run")
        words = ["train", "quickstart", *SMALL, f"output_dir={run.path}"]
        code = ended(start(words, said), 300)
        text = said.read_text(encoding="utf-8")
        assert code in (0, 1, 2), (number, code, text)
        assert "Traceback" not in text and "--- Logging error" not in text, text
        whole, _ = checkpoints.newest_whole(run)
        if code != 0:
            full += 1
            last = text.strip().splitlines()[-1]
            assert str(disk) in last and ("No space" in last or "cannot be written" in last or "os error 28" in last), (
                last
            )
            told = [event["step"] for event in read_events(run.events)[0] if event["event"] == ev.CHECKPOINT]
            assert not told or checkpoints.step_of(whole) >= told[-1], text
        kept += whole is not None
        sized(disk, 2 * takes_kib + 4096, "remount")
        if code == 0:
            finished += 1
            # Its events may be lost, but never the model.
            assert same(straight, run), text
            continue
        if run.manifest.is_file() and run.resolved.is_file():
            words = ["train", "--resume", str(run.path)]
        else:
            words.append("overwrite_output_dir=true")
        code = ended(start(words, said), 300)
        assert code == 0, said.read_text(encoding="utf-8")
        assert same(straight, run) and view_run(run).status == "finished"
    print(
        f"\n{DISKS} disks: {full} ended the run with a line and went on once there was room, {finished} were large "
        f"enough; {kept} held a whole checkpoint; all ended in the same weights, bit for bit",
        file=sys.__stdout__,
    )
