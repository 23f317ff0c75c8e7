"""A process is known by its number and by when it began."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from grpoctl.run.process import is_running, start_time

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")

NOBODY = 2**22 + 1  # above the highest number that Linux gives


def test_this_process_runs() -> None:
    assert is_running(os.getpid(), start_time(os.getpid()))


def test_a_number_that_was_given_anew_is_another_process() -> None:
    started = start_time(os.getpid())
    assert started is not None
    assert not is_running(os.getpid(), started - 1)
    assert not is_running(os.getpid(), None)


@pytest.mark.parametrize("pid", [0, -1, NOBODY])
def test_a_number_of_nobody_does_not_run(pid: int) -> None:
    assert start_time(pid) is None
    assert not is_running(pid, None)
    assert not is_running(pid, 1)


def test_a_killed_child_is_gone_before_anybody_asks_for_its_exit_code() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        started = start_time(child.pid)
        assert is_running(child.pid, started)
        child.kill()
        # Not waited for: it stays in the table as a zombie.
        latest = time.monotonic() + 10
        while is_running(child.pid, started) and time.monotonic() < latest:
            time.sleep(0.01)
        assert Path(f"/proc/{child.pid}").exists()
        assert not is_running(child.pid, started)


def test_a_name_with_parentheses_does_not_shift_the_fields(tmp_path: Path) -> None:
    program = tmp_path / "a) Z 1 (b"
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "60"]) as odd, subprocess.Popen(["sleep", "60"]) as plain:
        times = [start_time(odd.pid), start_time(plain.pid)]
        odd.kill()
        plain.kill()
    assert times[0] is not None and times[1] is not None
    # Clock ticks are hundredths of a second, and both began within a few.
    assert 0 <= times[1] - times[0] < 500
