"""A run folder damaged in every way that a disk knows: each a clear line and a way on, no finished work lost.

`make torture` runs it; TORTURE_DAMAGES says how many checkpoints are damaged (60).
"""

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from engines.runs import same
from support import SMALL

from grpoctl import cli
from grpoctl.run import checkpoints
from grpoctl.run.directory import RunDirectory
from grpoctl.run.view import view_run

pytest.importorskip("trl")
pytestmark = pytest.mark.torture

DAMAGES = int(os.environ.get("TORTURE_DAMAGES", "60"))
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def straight(tmp_path: Path, run: Run) -> RunDirectory:
    made = RunDirectory(tmp_path / "straight")
    assert run("train", "quickstart", *SMALL, f"output_dir={made.path}")[0] == 0
    return made


def stopped_copy(straight: RunDirectory, folder: Path) -> RunDirectory:
    """The run as it was behind step 6: without its end, its last checkpoint and its model."""
    shutil.copytree(straight.path, folder)
    copy = RunDirectory(folder)
    lines = copy.events.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [
        line for line in lines if '"run_finished"' not in line and '"step": 7' not in line and '"step": 8' not in line
    ]
    copy.events.write_text("".join(kept), encoding="utf-8")
    shutil.rmtree(copy.checkpoint(8))
    for path in folder.glob("*.safetensors"):
        path.unlink()
    return copy


def damage(file: Path, chance: random.Random) -> str:
    data = bytearray(file.read_bytes())
    if not data or chance.random() < 0.4:
        file.unlink()
        return "gone"
    place = chance.randrange(len(data))
    if chance.random() < 0.5:
        file.write_bytes(data[:place])
        return "cut short"
    data[place] ^= 1 << chance.randrange(8)
    file.write_bytes(bytes(data))
    return "a bit flipped"


def test_a_damaged_checkpoint_is_noticed_and_passed_over(straight: RunDirectory, tmp_path: Path, run: Run) -> None:
    chance, kinds = random.Random(0), dict[str, int]()
    for number in range(DAMAGES):
        copy = stopped_copy(straight, tmp_path / f"copy-{number}")
        files = sorted(path for path in copy.checkpoint(6).rglob("*") if path.is_file())
        file = chance.choice(files)
        kind = damage(file, chance)
        kinds[kind] = kinds.get(kind, 0) + 1
        newest, faults = checkpoints.newest_whole(copy)
        assert newest == copy.checkpoint(3), (file.name, kind)
        assert faults, (file.name, kind)
        if number % 10 == 0:  # a resume takes a second, and only loads what was found whole
            code, said = run("train", "--resume", str(copy.path))
            assert code == 0 and "checkpoint-6" in said and "going on from checkpoint-3" in said
            assert same(straight, copy)
        shutil.rmtree(copy.path)
    print(f"\n{DAMAGES} checkpoints damaged ({kinds}): each noticed", file=sys.__stdout__)


@pytest.mark.parametrize(
    "ruin",
    [
        lambda data: data[: len(data) - 20],
        lambda data: data + b"\0" * 2**20,
        lambda data: data[:200] + b"\0" * 2**20 + data[200:],
        lambda data: data + b'{"event": "step_logged", "st',
        lambda data: b"\xff\xfe" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
    ],
    ids=["cut", "nuls behind", "nuls within", "half a line", "a mark in front", "other line ends"],
)
def test_ruined_events_lose_a_line_at_most(
    straight: RunDirectory, tmp_path: Path, run: Run, ruin: Callable[[bytes], bytes]
) -> None:
    copy = stopped_copy(straight, tmp_path / "copy")
    copy.events.write_bytes(ruin(copy.events.read_bytes()))
    assert view_run(copy).step in (5, 6)
    for verb in ("show", "logs"):
        assert run(verb, str(copy.path))[0] == 0
    assert run("train", "--resume", str(copy.path))[0] == 0
    assert same(straight, copy) and view_run(copy).status == "finished"


def test_a_folder_that_may_not_be_written_is_one_line(straight: RunDirectory, run: Run) -> None:
    """Root may write anywhere, so a child that is root goes on as nobody, below a folder that nobody may enter."""
    open_to_all = Path(tempfile.mkdtemp())
    open_to_all.chmod(0o755)
    try:
        copy = stopped_copy(straight, open_to_all / "copy")
        before = {path: path.read_bytes() for path in copy.path.rglob("*") if path.is_file()}
        copy.path.chmod(0o555)
        pid = os.fork()
        if not pid:
            sys.stdout = sys.stderr = (open_to_all / "said").open("w", buffering=1)
            if os.geteuid() == 0:
                os.seteuid(65534)
            os._exit(cli.main(["train", "--resume", str(copy.path)]))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        told = (open_to_all / "said").read_text().splitlines()
        assert code in (1, 2) and str(copy.path) in told[-1] and not any("Traceback" in line for line in told)
        copy.path.chmod(0o755)
        assert before == {path: path.read_bytes() for path in copy.path.rglob("*") if path in before}
        assert run("train", "--resume", str(copy.path))[0] == 0 and same(straight, copy)
    finally:
        open_to_all.chmod(0o755)
        shutil.rmtree(open_to_all)


def test_a_clock_that_is_set_back_changes_no_order(
    straight: RunDirectory, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = stopped_copy(straight, tmp_path / "copy")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 400 * 86_400)
    assert run("train", "--resume", str(copy.path))[0] == 0
    assert same(straight, copy) and view_run(copy).status == "finished" and view_run(copy).step == 8
    for verb in ("show", "logs"):
        assert run(verb, str(copy.path))[0] == 0


@pytest.mark.parametrize("name", ["manifest.json", "recipe.resolved.json", "recipe.yaml", "events.jsonl"])
@pytest.mark.parametrize("how", ["gone", "empty", "nonsense"])
def test_a_file_of_the_run_that_is_ruined_is_told_of(
    straight: RunDirectory, tmp_path: Path, run: Run, name: str, how: str
) -> None:
    copy = stopped_copy(straight, tmp_path / "copy")
    file = copy.path / name
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(b"" if how == "empty" else os.urandom(200))
    for words in (("show", str(copy.path)), ("runs",), ("ask", str(copy.path), "1 + 1?"), ("eval", str(copy.path))):
        code, said = run(*words)
        assert code in (0, 1, 2) and (code == 0 or said.strip()), words
    code, said = run("train", "--resume", str(copy.path))
    assert code == 0 or str(copy.path) in said or copy.name in said, said


def test_a_folder_that_is_deleted_ends_the_run_with_a_line(tmp_path: Path) -> None:
    import subprocess

    folder = tmp_path / "gone"
    words = ["train", "quickstart", *SMALL, "max_steps=400", f"output_dir={folder}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "grpoctl", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    latest = time.monotonic() + 120
    while not (folder / "checkpoint-3").is_dir():
        assert time.monotonic() < latest and process.poll() is None
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)
    said = process.communicate(timeout=120)[0]
    assert process.returncode in (0, 1) and "Traceback" not in said
    assert str(folder) in said.splitlines()[-1] or process.returncode == 0, said[-500:]
