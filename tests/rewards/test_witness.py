"""A reward that takes the whole process with it is named by the process beside."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_run import make_run

from grpoctl.rewards import witness
from grpoctl.run import ranks
from grpoctl.run.view import view_run

CALL = """
import os, sys, time
from pathlib import Path
from grpoctl.rewards import witness
from grpoctl.run import ranks
with witness.of_run(Path(sys.argv[1])):
    first = witness.Call("good", 4, 60.0)
    first.end()
    witness.Call("bad", 8, float(sys.argv[2]))
    {act}
"""


@pytest.mark.parametrize("act", ["os._exit(0)", "os.abort()", "os.kill(os.getpid(), 9)"])
def test_a_process_that_is_gone_in_a_call_is_told_of(act: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    words = [sys.executable, "-c", CALL.format(act=act), str(run.path), "60"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    said = (
        "reward bad: the process was gone while it scored 8 completions: ended, crashed or killed; mend it, then go "
        f"on: grpoctl train --resume {run.name}."
    )
    assert done.stderr.splitlines() == [said]
    view = view_run(run)
    assert (view.status, view.error) == ("failed", said)


def test_of_several_processes_it_tells_their_launcher(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    run.ranks.mkdir()
    words = [sys.executable, "-c", CALL.format(act="os._exit(0)"), str(run.path), "60"]
    subprocess.run(words, env={**os.environ, "RANK": "1"}, check=True, capture_output=True, timeout=60)
    (failure,) = ranks.failures(run)
    assert failure.rank == 1 and failure.error.startswith("reward bad: the process was gone while it scored 8")
    assert view_run(run).error is None


def test_one_that_ends_between_two_calls_is_nothing_to_tell_of(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    for act in ("pass", "os._exit(0)"):
        source = CALL.replace('    witness.Call("bad", 8, float(sys.argv[2]))\n', "").format(act=act)
        done = subprocess.run([sys.executable, "-c", source, str(run.path)], capture_output=True, text=True, timeout=60)
        assert done.stderr == ""
    assert view_run(run).status == "dead"


def test_one_that_never_lets_python_go_is_ended(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    act = "import re; re.match('(a+)+$', 'a' * 60 + 'b')"
    began = time.monotonic()
    words = [sys.executable, "-c", CALL.format(act=act), str(run.path), "-4.5"]  # and the grace of 5 s
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == -9 and time.monotonic() - began < 30
    assert "reward bad: has held the whole process for more than" in done.stderr.splitlines()[-1]
    assert view_run(run).status == "failed"


def test_memory_that_runs_out_is_the_rewards_that_took_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taker = subprocess.Popen([sys.executable, "-c", "held = bytearray(100 << 20); import time; time.sleep(60)"])
    said: list[str] = []
    reads, writes = os.pipe()
    read = os.read
    sizes = iter([10.0, 120.0, 120.0, 120.0])
    monkeypatch.setattr(witness, "_is_short_of_memory", lambda least_share: True)
    monkeypatch.setattr(witness, "_resident_mib", lambda process: next(sizes))
    monkeypatch.setattr(witness, "_tell", lambda reward, problem, run: said.append(f"{reward} {problem}"))
    monkeypatch.setattr(select, "select", lambda *_: ([0], [], []))
    monkeypatch.setattr(os, "read", lambda _, size: read(reads, size))
    os.write(writes, b'["begin", 0, "greedy", 8, 60.0, null]\n')
    witness.watch(taker.pid, 100.0, 0.03)
    assert taker.wait(10) == -9
    assert said == ["greedy has grown the process by 110 MiB, and the machine has no more, so the run was ended"]
