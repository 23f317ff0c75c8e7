"""Run folders: each run gets its own, holds it alone, and is found again."""

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_run import make_run

from grpoctl.errors import InputError
from grpoctl.run.directory import RunDirectory, all_runs, find_run, new_run_directory

pytestmark = pytest.mark.usefixtures("runs")


def test_twenty_runs_that_start_at_once_get_twenty_folders(runs: Path) -> None:
    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(new_run_directory, ["quickstart"] * 20))
    assert len({run.path for run in made}) == 20
    assert all(run.path.is_dir() and run.path.parent == runs for run in made)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("quickstart", "quickstart"),
        ("my first run", "my-first-run"),
        ("数学 qwen3", "qwen3"),
        ("数学", "run"),
        ("../../etc", "etc"),
        (".hidden", "hidden"),
        ("a/b\nc", "a-b-c"),
        ("x" * 200, "x" * 40),
        ("", "run"),
    ],
)
def test_a_name_becomes_one_that_every_shell_takes(name: str, stem: str) -> None:
    assert re.fullmatch(rf"{stem}-[0-9]{{8}}-[0-9]{{6}}", new_run_directory(name).path.name)


def test_a_runs_folder_that_is_a_file_is_one_line(runs: Path) -> None:
    runs.touch()
    with pytest.raises(InputError) as raised:
        new_run_directory("a")
    assert str(raised.value) == f"{runs}: is no folder; move it, or set GRPOCTL_RUNS."


def test_a_folder_in_use_is_refused_with_the_way_out(runs: Path) -> None:
    run = RunDirectory(runs / "mine")
    with run.held():
        with pytest.raises(InputError) as raised, run.held():
            raise AssertionError("held twice")
        assert str(raised.value) == (
            f"{run.path}: is in use by a run that is going on; wait for it, or end it: grpoctl stop mine."
        )
    with run.held():
        """Free again."""


def test_a_folder_is_free_once_its_holder_was_killed(runs: Path) -> None:
    run = RunDirectory(runs / "mine")
    code = (
        "import sys, time; from pathlib import Path; from grpoctl.run.directory import RunDirectory\n"
        "with RunDirectory(Path(sys.argv[1])).held(): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(run.path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(InputError), run.held():
            raise AssertionError("held twice")
        holder.send_signal(signal.SIGKILL)
    with run.held():
        """Free again."""


def test_runs_come_newest_first_and_lie_as_deep_as_recipes_put_them(runs: Path) -> None:
    for age, name in enumerate(["new", "qwen3-8b/lora/grpo", "old"]):
        os.utime(make_run(runs / name).manifest, (1000 - age, 1000 - age))
    (runs / "no run").mkdir()
    make_run(runs / ".hidden" / "x")
    assert [run.name for run in all_runs()] == ["new", "qwen3-8b/lora/grpo", "old"]


def test_a_run_is_found_by_latest_by_name_and_by_folder(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.utime(make_run(runs / "old").manifest, (1000, 1000))
    make_run(runs / "a b" / "新")
    make_run(tmp_path / "elsewhere")
    assert find_run("latest").name == "a b/新"
    assert find_run("old").path == runs / "old"
    assert find_run(str(runs / "old")).name == "old"
    assert find_run("elsewhere").path == Path("elsewhere")
    assert RunDirectory(tmp_path / "elsewhere").name == str(tmp_path / "elsewhere")


def test_a_run_that_is_not_there_suggests_the_nearest(runs: Path) -> None:
    make_run(runs / "quickstart-1")
    for name, fix in (("quickstrat-1", "did you mean quickstart-1?"), ("zzz", "see grpoctl runs.")):
        with pytest.raises(InputError) as raised:
            find_run(name)
        assert str(raised.value) == f"{name}: is no run below {runs}; {fix}"


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "~nobody-of-that-name/x"])
def test_a_name_that_no_folder_can_have_is_no_run(name: str) -> None:
    with pytest.raises(InputError):
        find_run(name)


def test_latest_without_any_run_says_how_to_start_one(runs: Path) -> None:
    with pytest.raises(InputError) as raised:
        find_run("latest")
    assert str(raised.value) == f"{runs}: holds no run; start one: grpoctl train quickstart."
