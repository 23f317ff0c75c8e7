"""`grpoctl compare`: runs side by side."""

import json
import os
import pty
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_evals import evaluated, report
from fake_run import make_run, step, tell

Grpoctl = Callable[..., tuple[int, str, str]]

STARTED = ("run_started", {"step": 0, "max_steps": 80})


def make_two(runs: Path) -> None:
    """Neither solved any of 8 problems before; after that a solves 1, and b solves 6 with that one among them."""
    for name, reward, solved in (("lora/a", 0.5, 1), ("lora/b", 1.25, 6)):
        run = make_run(runs / name, STARTED)
        evaluated(run, 0, [False] * 8)
        metrics = {"rewards/accuracy/mean": reward, "kl": None, "zero_std_share": 0.25, "of_an_engine_alone": 1}
        tell(run, step(80, reward=reward, **metrics))
        evaluated(run, 80, [number < solved for number in range(8)])
        tell(run, ("run_finished", {"step": 80}))
        recipe = {"lora_rank": 8 * solved, "seed": 0, "reward_funcs": [{"use": "accuracy", "weight": solved}]}
        run.resolved.write_text(json.dumps(recipe))


def make_recipes(runs: Path, *recipes: dict[str, Any]) -> None:
    for name, recipe in zip("ab", recipes, strict=True):
        make_run(runs / name).resolved.write_text(json.dumps(recipe))


def rows(out: str) -> list[str]:
    """The lines with single spaces."""
    return [" ".join(line.split()) for line in out.splitlines()]


def test_a_column_a_run_and_a_row_a_key(runs: Path, grpoctl: Grpoctl) -> None:
    make_two(runs)
    code, out, err = grpoctl("compare", "lora/a", "lora/b")
    assert (code, err) == (0, "")
    # Wilson's interval of 0 of 8 ends at z² / (8 + z²) = 3.8415 / 11.8415 = 0.324. Chance alone wins 6 of 6 or loses
    # them in 2 / 2**6 = 0.031 of all cases, and 5 of 5 in 2 / 2**5 = 0.0625. The interval of those 5 of 8 is
    # 5 / 10 ± 1.96 * sqrt((6 / 10 - 0.25) / 10), as Agresti and Min have it.
    assert out.splitlines() == [
        "                                      lora/a             lora/b",
        "status                              finished           finished",
        "step                                   80/80              80/80",
        "",
        "recipe",
        "  lora_rank                                8                 48",
        "  reward_funcs                      accuracy       accuracy × 6",
        "",
        "newest step",
        "  reward                                 0.5               1.25",
        "  rewards/accuracy/mean                  0.5               1.25",
        "  zero_std_share                       25.0%              25.0%",
        "",
        "greedy, 8 problems of tiny",
        "  accuracy before            0.0% (0.0–32.4)    0.0% (0.0–32.4)",
        "  accuracy after            12.5% (2.2–47.1)  75.0% (40.9–92.9)",
        "  accuracy change, points         +12.5, p 1     +75.0, p 0.031",
        "  format_accuracy before              100.0%             100.0%",
        "  format_accuracy after               100.0%             100.0%",
        "  mean_length                    20.5 → 20.5        20.5 → 20.5",
        "  truncated_share                0.0% → 0.0%        0.0% → 0.0%",
        "",
        "greedy accuracy after, against lora/a on the same 8 problems:",
        "  lora/b  +62.5 points  +13.3 … +86.7  p 0.062",
    ]


def test_json_holds_what_scripts_rely_on(runs: Path, grpoctl: Grpoctl) -> None:
    make_two(runs)
    document = json.loads(grpoctl("compare", "lora/a", "lora/b", "--json")[1])
    first = document["runs"][0]
    assert (first["run"], first["status"], first["step"]) == ("lora/a", "finished", 80)
    assert first["metrics"]["reward"] == 0.5
    assert first["metrics"]["of_an_engine_alone"] == 1
    assert first["recipe"] == {"lora_rank": 8, "reward_funcs": [{"use": "accuracy", "weight": 1}]}
    assert document["differing_keys"] == ["lora_rank", "reward_funcs"]
    greedy = first["evals"]["greedy"]
    assert (greedy["before"]["accuracy"], greedy["after"]["accuracy"], greedy["change"]["p"]) == (0.0, 0.125, 1.0)
    [pair] = document["paired"]
    assert {name: pair[name] for name in ("a", "b", "mode", "difference", "p")} == {
        "a": "lora/a", "b": "lora/b", "mode": "greedy", "difference": 0.625, "p": 0.0625,
    }  # fmt: skip


def test_one_run_is_shown_alone(runs: Path, grpoctl: Grpoctl) -> None:
    make_two(runs)
    code, out, _ = grpoctl("compare", "lora/b")
    assert code == 0
    assert "lora_rank" not in out and "against" not in out
    assert json.loads(grpoctl("compare", "latest", "--json")[1])["differing_keys"] == []


def test_a_run_without_events_has_dashes(runs: Path, grpoctl: Grpoctl) -> None:
    make_two(runs)
    make_run(runs / "new")
    out = rows(grpoctl("compare", "new", "lora/a")[1])
    assert out[1:3] == ["status dead finished", "step 0/? 80/80"]
    assert "reward - 0.5" in out and "accuracy after - 12.5% (2.2–47.1)" in out
    assert grpoctl("compare", "new")[1] == "         new\nstatus  dead\nstep     0/?\n"


def test_runs_that_were_asked_differently_say_so_in_a_row(runs: Path, grpoctl: Grpoctl) -> None:
    several: dict[str, Any] = {"k": 8, "pass_at_k": {"1": 0.25, "8": 0.5}, "maj_at_k": 0.375}
    make_run(runs / "a", ("eval_finished", report(80, 2, 8)))
    make_run(runs / "b", ("eval_finished", report(80, 2, 8, **several)))
    out = rows(grpoctl("compare", "a", "b")[1])
    assert out[out.index("greedy") + 1] == "problems 8 problems of tiny 8 problems of tiny, 8 answers to each"
    assert {"pass@1 - 25.0%", "pass@8 - 50.0%", "maj_at_k - 37.5%"} <= {*out}


def test_a_change_without_samples_is_told_without_a_test(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(runs / "a", *(("eval_finished", report(at, at // 20, 8)) for at in (0, 80)))
    assert "accuracy change, points +50.0" in rows(grpoctl("compare", "a")[1])


def test_long_values_are_cut_so_that_their_difference_is_seen(runs: Path, grpoctl: Grpoctl) -> None:
    shared = "Think about the problem step by step, then give "
    ends = ("the number alone.", "a sentence with the number and its unit, and say why.")
    make_recipes(runs, *({"system_prompt": shared + end} for end in ends))
    [row] = [line for line in grpoctl("compare", "a", "b")[1].splitlines() if "system_prompt" in line]
    # The last 10 characters that are alike, and 40 columns in all.
    assert row.split("  ")[-2:] == ["…then give the number alone.", "…then give a sentence with the number a…"]


def test_a_long_template_is_cut_at_once(runs: Path, grpoctl: Grpoctl) -> None:
    make_recipes(runs, *({"template": f"{name}" + "数" * 200_000} for name in "ab"))
    start = time.perf_counter()
    [row] = [line for line in grpoctl("compare", "a", "b")[1].splitlines() if "template" in line]
    assert time.perf_counter() - start < 2  # a step a character would take minutes
    assert row.split() == ["template", f"a{'数' * 19}…", f"b{'数' * 19}…"]


def test_values_read_as_they_would_in_yaml(runs: Path, grpoctl: Grpoctl) -> None:
    rewards = [{"use": "accuracy", "weight": 1.0, "args": {}}, {"use": "length", "weight": 0.5, "args": {"most": 99}}]
    damaged = [7, {"use": "own", "args": 1}]
    make_recipes(
        runs,
        {"learning_rate": 1e-6, "bf16": True, "max_steps": None, "dataset": "x\x1b[0m", "reward_funcs": rewards},
        {"learning_rate": 1, "bf16": False, "max_steps": 7, "dataset": ["x", "y"], "reward_funcs": damaged},
    )
    assert rows(grpoctl("compare", "a", "b")[1])[4:] == [
        "recipe",
        "learning_rate 1e-06 1",
        "bf16 true false",
        "max_steps null 7",
        r'dataset x\x1b[0m ["x", "y"]',
        "reward_funcs accuracy, length(most=99) × 0.5 7, own",
    ]


def test_a_narrow_terminal_gets_the_runs_below_one_another(runs: Path) -> None:
    make_two(runs)
    screen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 50))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-m", "grpoctl", "compare", "lora/a", "lora/b"]
    subprocess.run(command, stdout=terminal, env=environment, timeout=60, check=True)
    lines = os.read(screen, 100_000).decode().splitlines()
    os.close(terminal)
    os.close(screen)
    assert [line.split() for line in lines].count(["lora/a"]) == 1
    assert [line.split() for line in lines].count(["lora/b"]) == 1
    assert max(map(len, lines[:-2])) <= 50  # the tests below have lines of their own


def test_a_picture_is_written_and_named(runs: Path, grpoctl: Grpoctl, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    make_two(runs)
    path = tmp_path / "c.png"
    code, out, _ = grpoctl("compare", "lora/a", "lora/b", "--to", str(path))
    assert (code, out.splitlines()[-1]) == (0, f"picture: {path}")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert json.loads(grpoctl("compare", "lora/a", "--json", "--to", str(path))[1])["picture"] == str(path)


def test_nothing_is_drawn_unless_it_is_asked_for(
    runs: Path, grpoctl: Grpoctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_two(runs)
    monkeypatch.chdir(tmp_path)
    grpoctl("compare", "lora/a", "lora/b")
    assert list(tmp_path.rglob("*.png")) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lora/c"], "lora/c: is no run below RUNS; did you mean lora/b?"),
        (["lora/a", "lora/a"], "lora/a: names lora/a once more; name each run once."),
        (["lora/a", "--to", "c.pdf"], "c.pdf: is no name for a PNG file; give one that ends in .png."),
        (["lora/a"] * 21, "grpoctl compare: takes 20 runs at most, and got 21; name fewer."),
        ([], "grpoctl compare: the following arguments are required: RUN; see grpoctl compare --help."),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(words: list[str], said: str, runs: Path, grpoctl: Grpoctl) -> None:
    make_two(runs)
    assert grpoctl("compare", *words) == (2, "", said.replace("RUNS", str(runs)) + "\n")


def test_a_picture_without_matplotlib_is_one_line(
    runs: Path, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_two(runs)
    monkeypatch.setattr("grpoctl.commands.compare.missing_packages", list)
    said = "--to: takes matplotlib, which is not installed; pip install matplotlib.\n"
    assert grpoctl("compare", "lora/a", "--to", "c.png") == (2, "", said)


def test_nothing_heavy_is_loaded_without_a_picture(runs: Path) -> None:
    make_two(runs)
    heavy = ("torch", "jax", "trl", "transformers", "datasets", "gradio", "matplotlib", "numpy", "pydantic")
    code = (
        "import sys; from grpoctl.cli import main; main(['compare', 'lora/a', 'lora/b']);"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
