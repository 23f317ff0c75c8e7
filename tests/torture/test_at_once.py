"""Twenty starts at once, two resumes of one run, `stop` at every moment: each run keeps its folder, and none is lost.

`make torture` runs it; TORTURE_STOPS says how often each moment is tried (8).
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from engines.runs import events, same
from support import SMALL
from torture.children import ended, start

from grpoctl import cli
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory, all_runs
from grpoctl.run.events import read_events
from grpoctl.run.view import view_run

pytest.importorskip("trl")
pytestmark = pytest.mark.torture

STOPS = int(os.environ.get("TORTURE_STOPS", "8"))


@pytest.fixture(autouse=True)
def _loaded() -> None:
    import grpoctl.engines.trl.train  # noqa: F401


@pytest.fixture
def straight(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "straight")
    assert ended(start(["train", "quickstart", *SMALL, f"output_dir={run.path}"]), 300) == 0
    return run


def test_twenty_runs_that_start_at_once_are_twenty_runs(
    runs: Path, straight: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    children = [start(["train", "quickstart", *SMALL]) for _ in range(20)]
    assert [ended(pid, 600) for pid in children] == [0] * 20
    made = all_runs()
    assert len(made) == 20 and all(run.path.parent == runs for run in made)
    for run in made:
        assert view_run(run).status == "finished" and same(straight, run)
        assert [event["step"] for event in events(run, ev.STEP)] == list(range(1, 9))
        assert json.loads(run.manifest.read_text())["process_id"] in children
    assert cli.main(["runs", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 20
    print("\n20 runs started at once: 20 folders, the same weights in each", file=sys.__stdout__)


def test_of_two_resumes_of_one_run_one_goes_on(tmp_path: Path, straight: RunDirectory) -> None:
    chance = random.Random(0)
    for number in range(STOPS):
        run = RunDirectory(tmp_path / f"run-{number}")
        pid = start(["train", "quickstart", *SMALL, f"output_dir={run.path}"])
        _wait(pid, lambda run=run: run.checkpoint(3).is_dir())  # type: ignore[misc]
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        said = [tmp_path / "one", tmp_path / "other"]
        children = []
        for file in said:
            children.append(start(["train", "--resume", str(run.path)], file))
            time.sleep(chance.choice((0, 0, 0.01, 0.1, 0.5)))
        codes = [ended(pid, 300) for pid in children]
        told = [file.read_text(encoding="utf-8") for file in said]
        assert sorted(map(str, codes)) == ["0", "2"], told
        refused = told[codes.index(2)].strip().splitlines()[-1]
        assert "is in use by a run that is going on; wait for it" in refused or "is finished at step 8" in refused
        assert same(straight, run) and view_run(run).status == "finished"
    print(f"\n{STOPS} times two resumes: one went on, the other was told", file=sys.__stdout__)


def _wait(pid: int, until: Callable[[], bool]) -> None:
    latest = time.monotonic() + 120
    while not until():
        assert time.monotonic() < latest
        time.sleep(0.001)


def _within_the_start(run: RunDirectory) -> bool:
    return run.manifest.is_file()


def _within_a_checkpoint(run: RunDirectory) -> bool:
    return run.incoming.is_dir() and any(run.incoming.iterdir())


def _within_the_finish(run: RunDirectory) -> bool:
    return any(event.get("step") == 8 for event in read_events(run.events)[0] if event["event"] == ev.STEP)


@pytest.mark.parametrize("moment", [_within_the_start, _within_a_checkpoint, _within_the_finish])
def test_stop_loses_nothing(
    moment: Callable[[RunDirectory], bool],
    tmp_path: Path,
    straight: RunDirectory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chance, found = random.Random(0), dict[str, int]()
    for number in range(STOPS):
        run = RunDirectory(tmp_path / f"run-{number}")
        pid = start(["train", "quickstart", *SMALL, f"output_dir={run.path}"])
        _wait(pid, lambda run=run: moment(run))  # type: ignore[misc]
        time.sleep(chance.choice((0, 0.003, 0.02, 0.1)))
        code, told = cli.main(["stop", str(run.path)]), capsys.readouterr()
        exited = ended(pid, 60)
        status = view_run(run).status
        found[status] = found.get(status, 0) + 1
        # One that is finished by then has nothing to stop.
        assert code == 0 or (code == 2 and status == "finished"), told.err
        assert (exited, status) in ((0, "finished"), (143, "stopped"), (-15, "dead")), (exited, told)
        if status != "finished":
            assert ended(start(["train", "--resume", str(run.path)]), 300) == 0
        assert same(straight, run) and view_run(run).status == "finished"
    print(f"\n{STOPS} stops {moment.__name__.replace('_', ' ').strip()}: {found}; all ended alike", file=sys.__stdout__)
