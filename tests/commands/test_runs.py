"""`grpoctl runs`: every run in one table."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_run import greedy, make_run, step, this_process

Grpoctl = Callable[..., tuple[int, str, str]]


def make_three(runs: Path) -> None:
    running = make_run(
        runs / "qwen3" / "lora",
        ("run_started", {"step": 0, "max_steps": 80}),
        greedy(0, 0.22),
        step(40, reward=1.1234),
        greedy(40, 0.71),
        process=this_process(),
    )
    failed = make_run(runs / "数学", ("run_failed", {"step": 3, "error": "out of memory"}))
    queued = make_run(runs / "new", process=this_process())
    for age, run in enumerate([queued, running, failed]):
        os.utime(run.manifest, (1000 - age, 1000 - age))


def test_the_newest_run_comes_first_and_columns_line_up(runs: Path, grpoctl: Grpoctl) -> None:
    make_three(runs)
    assert grpoctl("runs") == (
        0,
        "run         status    step  reward  accuracy  started\n"
        "new         queued     0/?       -         -  2026-11-24 17:50\n"
        "qwen3/lora  running  40/80   1.123     71.0%  2026-11-24 17:50\n"
        # A Chinese character takes two columns.
        "数学        failed     3/?       -         -  2026-11-24 17:50\n",
        "",
    )


def test_json_holds_each_run_as_show_does(runs: Path, grpoctl: Grpoctl) -> None:
    make_three(runs)
    found = json.loads(grpoctl("runs", "--json")[1])["runs"]
    assert [run["status"] for run in found] == ["queued", "running", "failed"]
    assert found[1] == json.loads(grpoctl("show", "qwen3/lora", "--json")[1])


def test_without_a_run_it_says_how_to_start_one(runs: Path, grpoctl: Grpoctl) -> None:
    assert grpoctl("runs") == (0, f"{runs} holds no run; start one: grpoctl train quickstart\n", "")
    assert json.loads(grpoctl("runs", "--json")[1]) == {"runs": []}


def test_a_damaged_run_hides_no_other(runs: Path, grpoctl: Grpoctl) -> None:
    make_three(runs)
    (runs / "new" / "manifest.json").write_text("[1")
    (runs / "new" / "events.jsonl").write_bytes(b"\xff{")
    code, out, _ = grpoctl("runs")
    assert (code, len(out.splitlines())) == (0, 4)
    assert "new         dead       0/?       -         -  -" in out.splitlines()


def test_a_folder_name_that_a_terminal_would_obey_is_written_out(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(runs / "a\x1b[31mb\nc")
    assert r"a\x1b[31mb\nc" in grpoctl("runs")[1]


@pytest.mark.parametrize("words", [["runs"], ["show"], ["logs"], ["stop", "数学"]])
def test_nothing_heavy_is_loaded(words: list[str], runs: Path) -> None:
    make_three(runs)
    heavy = ("torch", "jax", "trl", "transformers", "datasets", "gradio", "matplotlib", "numpy", "pydantic")
    code = (
        f"import sys; from grpoctl.cli import main; main({words!r}); print([m for m in {heavy!r} if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
