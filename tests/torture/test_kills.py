"""kill -9 at random instants of a training: every resume starts, loses no more than save_steps, and ends bit for bit
where the straight run ends.

`make torture` runs it; TORTURE_KILLS says how often (100).
"""

import os
import random
import signal
import sys
import time
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

KILLS = int(os.environ.get("TORTURE_KILLS", "100"))
STEPS = 12


@pytest.fixture(autouse=True)
def _loaded() -> None:
    """Children are forked from here, so that each starts at once."""
    import grpoctl.engines.trl.train  # noqa: F401


def recipe(folder: Path, save_steps: int) -> list[str]:
    changed = ("max_steps", "save_steps", "max_samples")
    rest = [word for word in SMALL if word.partition("=")[0] not in changed]
    return ["train", "quickstart", *rest, f"max_steps={STEPS}", f"save_steps={save_steps}", f"output_dir={folder}"]


def _ended_before(pid: int, run: RunDirectory, chance: random.Random, takes_s: float) -> bool:
    """Wait for the instant of its end: any, or, one time in three, one within the next checkpoint's write."""
    if chance.random() > 1 / 3:
        return ended(pid, chance.uniform(0, takes_s)) is not None
    latest = time.monotonic() + takes_s
    while time.monotonic() < latest and not (run.incoming.is_dir() and any(run.incoming.iterdir())):
        if ended(pid, 0.001) is not None:
            return True
    return ended(pid, chance.uniform(0, 0.01)) is not None


def whole(run: RunDirectory) -> int:
    """The step of its newest whole checkpoint."""
    return checkpoints.step_of(checkpoints.newest_whole(run)[0])


def test_a_run_that_is_killed_again_and_again_ends_where_the_straight_one_does(tmp_path: Path) -> None:
    chance = random.Random(int(os.environ.get("TORTURE_SEED", "0")))
    straight = RunDirectory(tmp_path / "straight")
    began = time.monotonic()
    assert ended(start(recipe(straight.path, 3)), 300) == 0
    takes_s = time.monotonic() - began
    kills = runs = in_a_checkpoint = 0
    while kills < KILLS:
        runs += 1
        run, save_steps = RunDirectory(tmp_path / f"run-{runs}"), chance.choice((1, 3))
        words = recipe(run.path, save_steps)
        while True:
            pid = start(words)
            if kills < KILLS and not _ended_before(pid, run, chance, takes_s):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                kills += 1
                in_a_checkpoint += run.incoming.is_dir() and any(run.incoming.iterdir())
            elif kills >= KILLS:
                assert ended(pid, 300) == 0
            # Its folder may not be there yet, nor its manifest: then it starts again.
            if run.manifest.is_file():
                step = view_run(run).step
                assert whole(run) >= step - save_steps or step < save_steps
                if view_run(run).status == "finished":
                    break
                words = ["train", "--resume", str(run.path)]
            elif run.path.is_dir():
                words = [*recipe(run.path, save_steps), "overwrite_output_dir=true"]
        assert same(straight, run)
        readable, _ = read_events(run.events)
        lines = run.events.read_bytes().count(b"\n")
        resumed = [event for event in readable if event["event"] == ev.RUN_RESUMED]
        assert len(readable) >= lines - len(resumed) - 1  # at most one line a kill is cut
    print(
        f"\n{kills} kills ({in_a_checkpoint} while a checkpoint was written) over {runs} runs of {STEPS} steps; "
        "every one ended in the straight run's weights, bit for bit",
        file=sys.__stdout__,
    )
