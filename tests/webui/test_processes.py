"""What the page starts lives by itself, and leaves word of its end."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_run import make_run, this_process

from grpoctl.errors import InputError
from webui import processes
from webui.page import Page
from webui.runs import control
from webui.runs.standing import all_standing, find_standing
from webui.words import Say


@pytest.fixture(autouse=True)
def _runs(runs: Path) -> None:
    """Everything here happens in the test's own runs folder."""


def until(holds: Callable[[], bool], timeout_s: float = 30) -> None:
    latest = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < latest
        time.sleep(0.02)


def test_a_command_keeps_what_it_said_and_its_exit_code() -> None:
    begun = processes.start(["check", "no-such-recipe"], about="x")
    assert begun.command == "grpoctl check no-such-recipe"
    until(lambda: begun.exit_code is not None)
    assert begun.exit_code == 2 and "no-such-recipe: is not there" in begun.said
    (kept,) = processes.all_started()
    assert kept == begun and not kept.is_running


def test_a_command_is_in_a_session_of_its_own() -> None:
    begun = processes.start(["webui", "--help"], about="x")
    session = os.getsid(begun.process_id) if begun.is_running else begun.process_id
    assert session == begun.process_id != os.getsid(0)
    until(lambda: not begun.is_running)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGHUP, signal.SIGRTMIN + 1])
def test_a_child_that_a_signal_killed_is_told_of(number: int) -> None:
    begun = processes.start(["train", "no-such-recipe"], about="x")
    os.kill(begun.process_id, number)
    until(lambda: begun.exit_code is not None)
    assert begun.exit_code == -number
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    assert begun.killed_by == name
    found = find_standing("x")
    assert found is not None and found.view.status == "failed"
    assert f"it was ended by {name}: killed, or out of memory" in str(found.view.error)


def test_a_training_that_could_not_start_is_shown_with_its_words(runs: Path) -> None:
    begun = processes.start(["train", "no-such-recipe", "output_dir=x"], about="mine")
    (row,), count = all_standing(9)
    assert count == 1 and row.name == "mine" and row.directory is None
    until(lambda: begun.exit_code is not None)
    found = find_standing("mine")
    assert found is not None and found.view.status == "failed"
    assert "no-such-recipe: is not there" in str(found.view.error)


def test_half_a_record_is_no_record(runs: Path) -> None:
    (runs / ".webui" / "1").mkdir(parents=True)
    (runs / ".webui" / "1" / "started.json").write_text('{"words": ["train"')
    assert processes.all_started() == []


def test_old_records_are_cleared_away(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_KEPT", 2)
    for _ in range(4):
        begun = processes.start(["version"], about="x")
        until(lambda begun=begun: begun.exit_code is not None)  # type: ignore[misc]
    assert len(list((runs / ".webui").iterdir())) == 3  # two, and the newest


def test_what_has_ended_is_not_stopped_and_what_goes_on_not_resumed(runs: Path) -> None:
    make_run(runs / "over")
    make_run(runs / "on", process=this_process())
    assert control.stop(Page({"run": "over"}, Say("en")), {}).said == "It has ended already."
    assert control.kill(Page({"run": "over"}, Say("en")), {}).said == "It has ended already."
    assert control.resume(Page({"run": "on"}, Say("en")), {}).said == "It goes on already."
    with pytest.raises(InputError, match="is not here any more"):
        control.stop(Page({"run": "../x"}, Say("en")), {})
    assert processes.all_started() == []


def test_a_run_whose_name_looks_like_an_option_goes_by_its_folder(runs: Path) -> None:
    assert control.named(make_run(runs / "-x")) == str(runs / "-x")
    assert control.named(make_run(runs / "x")) == "x"
