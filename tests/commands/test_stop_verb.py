"""`grpoctl stop`: a run's process ends, and no other."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_run import Process, make_run, this_process

from grpoctl.run.process import start_time

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")

Grpoctl = Callable[..., tuple[int, str, str]]

STARTED = ("run_started", {"step": 0, "max_steps": 80})
STEP, SAVED = ("step_logged", {"step": 12}), ("checkpoint_saved", {"step": 10})


@contextmanager
def child(*words: str) -> Iterator[Process]:
    """A real process, ready once it has said so; nothing of it is left behind."""
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if words[0] == "sh":
            assert process.stdout.readline() == b"ready\n"
        yield process.pid, start_time(process.pid)
        process.kill()


def test_a_run_that_saves_on_sigterm_is_stopped(runs: Path, grpoctl: Grpoctl) -> None:
    events = runs / "a" / "events.jsonl"
    told = '{"event": "checkpoint_saved", "step": 12}\\n{"event": "run_stopped", "step": 12}\\n'
    trap = f"trap 'printf \"%b\" '\"'\"'{told}'\"'\"' >>\"$0\"; exit 143' TERM"
    with child("sh", "-c", f"{trap}; echo ready; while :; do sleep 0.02; done", str(events)) as process:
        make_run(runs / "a", STARTED, STEP, process=process)
        code, out, err = grpoctl("stop", "a")
    assert (code, out) == (0, "a: stopped at step 12, with checkpoint-12; go on: grpoctl train --resume a\n")
    assert err == f"a: asked process {process[0]} to save and end; waiting 60 s at most\n"


def test_json_holds_the_status_it_came_to(runs: Path, grpoctl: Grpoctl) -> None:
    with child("sleep", "60") as process:
        make_run(runs / "a", process=process)
        code, out, _ = grpoctl("stop", "latest", "--json")
    # It ended at once, as it was not training yet and had nothing to save.
    assert (code, json.loads(out)) == (0, {"run": "a", "status": "dead"})


def test_now_kills_what_does_not_listen(runs: Path, grpoctl: Grpoctl) -> None:
    with child("sh", "-c", "trap '' TERM; echo ready; exec sleep 600") as process:
        make_run(runs / "a b", STARTED, SAVED, STEP, process=process)
        assert grpoctl("stop", "a b", "--timeout", "0.1") == (
            1,
            "",
            f"a b: asked process {process[0]} to save and end; waiting 0.1 s at most\n"
            f"a b: process {process[0]} still runs after 0.1 s; grpoctl stop 'a b' --now does not wait.\n",
        )
        assert grpoctl("stop", "a b", "--now", "--timeout", "10") == (
            0,
            "a b: killed at step 12, with checkpoint-10; go on: grpoctl train --resume 'a b'\n",
            "",
        )
        assert start_time(process[0]) is None


@pytest.mark.parametrize(
    ("told", "status"),
    [(STARTED, "dead"), (("run_finished", {"step": 80}), "finished"), (("run_stopped", {"step": 3}), "stopped")],
)
def test_a_run_that_does_not_go_on_is_one_line_and_exit_2(
    told: tuple[str, dict[str, int]], status: str, runs: Path, grpoctl: Grpoctl
) -> None:
    make_run(runs / "a", told)
    assert grpoctl("stop", "a") == (2, "", f"a: is {status}; there is nothing to stop.\n")


@pytest.mark.parametrize("how", [[], ["--now"]])
def test_a_process_that_got_the_number_since_is_left_alone(how: list[str], runs: Path, grpoctl: Grpoctl) -> None:
    with child("sleep", "60") as (pid, started):
        assert started is not None
        make_run(runs / "a", STARTED, process=(pid, started - 1))
        assert grpoctl("stop", "a", *how)[0] == 2
        assert start_time(pid) == started


def test_a_run_that_ends_by_itself_in_that_moment_is_no_fault(
    runs: Path, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(pid: int, number: int) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(os, "kill", gone)
    make_run(runs / "a", STARTED, process=this_process())
    assert grpoctl("stop", "a")[0] == 0


def test_a_number_that_is_anothers_by_then_gets_no_signal(
    runs: Path, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(pid))
    # It ran when the folder was looked at, and is gone when the signal is to be sent.
    monkeypatch.setattr("grpoctl.run.process.is_running", lambda pid, started: False)
    make_run(runs / "a", STARTED, process=this_process())
    assert grpoctl("stop", "a")[0] == 0
    assert sent == []


def test_a_run_of_another_user_is_one_line(runs: Path, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    make_run(runs / "a", STARTED, process=this_process())
    assert grpoctl("stop", "a") == (
        1,
        "",
        f"a: is process {os.getpid()} of another user, who alone can stop it.\n",
    )


def test_a_manifest_without_a_process_stops_nobody(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(runs / "a", STARTED, process=(0, None))
    assert grpoctl("stop", "a")[0] == 2
