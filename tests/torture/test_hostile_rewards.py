"""Rewards of one's own that hang, crash, flood or return nonsense in the middle of a run.

Each ends it with one line that names the reward; a checkpoint is kept, and the run goes on from there once the file is
mended.

`make torture` runs it.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import SMALL
from torture.children import ended, start

from grpoctl.rewards import witness
from grpoctl.run.directory import RunDirectory
from grpoctl.run.view import view_run

pytest.importorskip("trl")
pytestmark = pytest.mark.torture

# What the reward does once there is a checkpoint, and what is said of it.
ENDS = {
    "ends Python well": ("os._exit(0)", "the process was gone while it scored 8 completions"),
    "ends Python badly": ("os._exit(7)", "the process was gone while it scored 8 completions"),
    "crashes": ("ctypes.string_at(0)", "the process was gone while it scored 8 completions"),
    "aborts": ("os.abort()", "the process was gone while it scored 8 completions"),
    "kills its process": ("os.kill(os.getpid(), 9)", "the process was gone while it scored 8 completions"),
    "sleeps": ("time.sleep(10**6)", "takes longer than 1 s for 8 completions"),
    "loops": ("while True: pass", "takes longer than 1 s for 8 completions"),
    "holds Python": ("re.match('(a+)+$', 'a' * 60 + 'b')", "has held the whole process for more than 1 s"),
    "exits": ("sys.exit(3)", "SystemExit"),
    "interrupts": ("raise BaseException('no more')", "BaseException: no more"),
    "asks for all memory": ("bytearray(1 << 50)", "MemoryError"),
    "recurses": ("f(completions)", "RecursionError"),
    "returns no number": ("return [math.nan] * len(completions)", "returned nan, which is no finite number"),
    "returns infinity": ("return [math.inf] * len(completions)", "returned inf, which is no finite number"),
    "returns texts": ("return ['1.0'] * len(completions)", "returned '1.0', which is no finite number"),
    "returns too few": ("return [1.0]", "returned 1 scores for 8 completions"),
    "returns too many": ("return itertools.repeat(1.0)", "returned more than 1007 scores for 8 completions"),
    "returns nothing": ("return None", "returned None in place of a list of scores"),
}
HEAD = "import ctypes, itertools, math, os, re, sys, time\nfrom pathlib import Path\n"
GOOD = HEAD + "def f(completions):\n    return [len(text) / 100 for text in completions]\n"


@pytest.fixture(autouse=True)
def _loaded() -> None:
    import grpoctl.engines.trl.train  # noqa: F401


@dataclass
class Done:
    returncode: int | None
    said: str


@pytest.fixture
def grpoctl(tmp_path: Path) -> Callable[..., Done]:
    def run(*words: str) -> Done:
        said = tmp_path / "said"
        said.unlink(missing_ok=True)
        code = ended(start(words, said), 240)
        return Done(code, said.read_text(encoding="utf-8", errors="replace"))

    return run


def words_of(folder: Path, own: Path) -> list[str]:
    rewards = f"reward_funcs=[accuracy, {own}:f]"
    return ["train", "quickstart", *SMALL, rewards, "reward_timeout_s=1", f"output_dir={folder}"]


@pytest.mark.parametrize("name", ENDS)
def test_a_reward_in_the_middle_of_a_run_that(name: str, tmp_path: Path, grpoctl: Callable[..., Done]) -> None:
    act, said = ENDS[name]
    run, own = RunDirectory(tmp_path / "run"), tmp_path / "own.py"
    bad = GOOD.replace("):\n", f"):\n    if Path({str(run.checkpoint(3))!r}).is_dir():\n        {act}\n")
    own.write_text(bad)
    done = grpoctl(*words_of(run.path, own))
    latest = time.monotonic() + 20
    while view_run(run).status == "dead" and time.monotonic() < latest:  # its witness is about to say why
        time.sleep(0.1)
    view, done = view_run(run), Done(done.returncode, (tmp_path / "said").read_text(errors="replace"))
    assert view.status == "failed" and view.checkpoint == 3 and view.step >= 3, (view, done.said)
    assert f"reward f: {said}" in (view.error or "") or said in (view.error or ""), view.error
    lines = [line for line in done.said.splitlines() if line and line[0].isalpha()]
    assert lines[-1].removeprefix("error: ") == view.error and "Traceback" not in done.said
    assert done.returncode == {"ends Python well": 0, "ends Python badly": 7}.get(name, done.returncode)
    own.write_text(GOOD)
    again = grpoctl("train", "--resume", str(run.path))
    assert again.returncode == 0 and "going on from checkpoint-3" in again.said, again.said
    assert view_run(run).status == "finished"


def test_a_reward_that_prints_a_gigabyte_is_cut_off(tmp_path: Path, grpoctl: Callable[..., Done]) -> None:
    run, own = RunDirectory(tmp_path / "run"), tmp_path / "own.py"
    flood = "        for _ in range(250):\n            print('x' * 10**6)\n"
    own.write_text(GOOD.replace("):\n", f"):\n    if Path({str(run.checkpoint(3))!r}).is_dir():\n{flood}"))
    done = grpoctl(*words_of(run.path, own))  # five steps are left: 1.25 GB
    assert done.returncode == 0 and view_run(run).status == "finished"
    assert len(done.said) < 1_100_000 and "own.py: has printed 1,000,000 characters; no more is shown." in done.said
    written = sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
    assert written < 20 * 2**20


def test_a_reward_that_leaks_is_named_before_the_machine_is_full(
    tmp_path: Path, grpoctl: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It grows by 128 MiB a call and may by 256; that the machine is short of memory is taken for granted."""
    monkeypatch.setattr(witness, "_GROWN_MIB", 256.0)
    monkeypatch.setattr(witness, "_LEAST_SHARE", 2.0)
    run, own = RunDirectory(tmp_path / "run"), tmp_path / "own.py"
    leak = "    KEPT.append(bytearray(b'x') * (128 << 20))\n    time.sleep(0.6)\n"
    own.write_text(GOOD.replace("def f", "KEPT = []\ndef f").replace("):\n", f"):\n{leak}"))
    done = grpoctl(*words_of(run.path, own), "max_steps=100", "reward_timeout_s=60")
    assert done.returncode == -9, done.said
    assert "reward f: has grown the process by" in done.said


def test_data_and_rewards_that_change_between_stop_and_resume_are_noticed(
    tmp_path: Path, grpoctl: Callable[..., Done]
) -> None:
    run, data, own = RunDirectory(tmp_path / "run"), tmp_path / "mine.json", tmp_path / "own.py"
    rows = [{"instruction": f"{n} + 1?", "input": "", "output": str(n + 1)} for n in range(8)]
    data.write_text(json.dumps(rows))
    own.write_text(GOOD)
    rewards = f"reward_funcs=[accuracy, {own}:f]"
    words = ["train", "quickstart", *SMALL, rewards, f"dataset={data}", f"output_dir={run.path}"]
    assert grpoctl(*words).returncode == 0
    data.write_text(json.dumps([{**rows[0], "output": "7"}, *rows[1:]]))
    done = grpoctl("train", "--resume", str(run.path), "max_steps=9")
    assert done.returncode == 2
    assert done.said.splitlines()[-1] == (
        f"error: {data}: has changed since this run began; put the old file back, or start a new run."
    )
    data.write_text(json.dumps(rows))
    own.write_text(GOOD + "# another\n")
    done = grpoctl("train", "--resume", str(run.path), "max_steps=9")
    assert done.returncode == 0
    assert f"warning: {own}: has changed since this run began; steps from here on are scored by it." in (done.said)
