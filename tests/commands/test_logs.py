"""`grpoctl logs`: what a run wrote, and what it still writes."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_run import make_run, tell, this_process

from grpoctl.commands import logs
from grpoctl.run.directory import RunDirectory
from grpoctl.run.view import RunView, view_run

Grpoctl = Callable[..., tuple[int, str, str]]

STARTED = ("run_started", {"step": 0, "max_steps": 80})


def test_the_log_is_printed_as_it_is(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(runs / "a").log.write_text("step 1\nstep 2 \x1b[1m好\x1b[0m\nhalf")
    assert grpoctl("logs") == (0, "step 1\nstep 2 \x1b[1m好\x1b[0m\nhalf", "")


def test_a_character_that_two_pieces_share_stays_whole(
    runs: Path, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_PIECE_BYTES", 4)
    make_run(runs / "a").log.write_text("好好好好\n", encoding="utf-8")
    assert grpoctl("logs")[1] == "好好好好\n"


def test_bytes_that_are_no_text_are_no_fault(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(runs / "a").log.write_bytes(b"a\xffb\n")
    assert grpoctl("logs")[1] == "a\ufffdb\n"


def test_json_holds_the_lines_as_the_run_ended_them(runs: Path, grpoctl: Grpoctl) -> None:
    run = make_run(runs / "a")
    run.log.write_text("one\n\ntwo\x0cstill two\u2028and here\n", encoding="utf-8")
    document = json.loads(grpoctl("logs", "a", "--json")[1])
    assert document == {"run": "a", "lines": ["one", "", "two\x0cstill two\u2028and here"]}


def test_a_run_that_logged_nothing_says_so(runs: Path, grpoctl: Grpoctl) -> None:
    run = make_run(runs / "a")
    assert grpoctl("logs") == (0, "", f"{run.log}: is not there; the run has logged nothing.\n")
    assert json.loads(grpoctl("logs", "--json")[1]) == {"run": "a", "lines": []}


def test_follow_prints_what_comes_until_the_run_has_ended(
    runs: Path, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_POLL_S", 0.01)
    run = make_run(runs / "a", STARTED, process=this_process())
    run.log.write_text("step 1\n")

    def go_on() -> None:
        with run.log.open("a") as log:
            log.write("step 2\nlast words")
        tell(run, ("run_finished", {"step": 80}))

    timer = threading.Timer(0.1, go_on)
    timer.start()
    assert grpoctl("logs", "-f") == (0, "step 1\nstep 2\nlast words", "")
    timer.join()


def test_follow_reads_once_more_after_the_end(runs: Path, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(runs / "a", STARTED, ("run_finished", {"step": 80}))
    run.log.write_text("step 1\n")

    def ends_now(run: RunDirectory) -> RunView:
        with run.log.open("a") as log:
            log.write("last words\n")
        return view_run(run)

    monkeypatch.setattr("grpoctl.run.view.view_run", ends_now)
    assert grpoctl("logs", "-f")[1] == "step 1\nlast words\n"


def test_follow_takes_up_a_log_that_was_written_anew(
    runs: Path, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_POLL_S", 0.01)
    run = make_run(runs / "a", STARTED, process=this_process())
    run.log.write_text("the first time\n")

    def start_again() -> None:
        run.log.write_text("again\n")
        tell(run, ("run_finished", {"step": 80}))

    timer = threading.Timer(0.1, start_again)
    timer.start()
    assert grpoctl("logs", "-f")[1] == "the first time\nagain\n"
    timer.join()


def test_follow_of_a_run_that_has_ended_ends_too(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(runs / "a", STARTED, ("run_stopped", {"step": 3})).log.write_text("step 1\n")
    assert grpoctl("logs", "-f") == (0, "step 1\n", "")


def test_follow_ends_by_ctrl_c_without_a_traceback(runs: Path) -> None:
    make_run(runs / "a", STARTED, process=this_process()).log.write_text("step 1\n")
    command = [sys.executable, "-m", "grpoctl", "logs", "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"step 1\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
    assert process.returncode == 130
