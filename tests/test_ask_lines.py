"""`grpoctl ask --lines`: what a program writes and reads."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FAKE, WHOLE
from fake_run import make_run, step

from grpoctl import shipped
from grpoctl.engines import base
from grpoctl.recipe.load import load_recipe

Grpoctl = Callable[..., tuple[int, str, str]]
Told = list[dict[str, Any]]
Lines = Callable[..., tuple[int, Told]]


@pytest.fixture
def run(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of the quickstart at step 3, whose models say who they are and what they were asked."""
    monkeypatch.setitem(base.ENGINES, "trl", FAKE)
    made = make_run(runs / "a", step(3, reward=1.0))
    made.resolved.write_text(json.dumps(load_recipe("quickstart").model_dump(mode="json")))
    for file in shipped.MODELS["tiny"].iterdir():
        shutil.copy(file, made.path)


@pytest.fixture
def lines(run: None, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch) -> Lines:
    """Gives a text to standard input, and returns the exit code and what came line by line."""

    def ask(typed: str | bytes, *words: str) -> tuple[int, Told]:
        data = typed.encode() if isinstance(typed, str) else typed
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        code, out, _ = grpoctl("ask", "a", "--lines", *words)
        return code, [json.loads(line) for line in out.splitlines()]

    return ask


def test_each_line_is_answered_by_both_models_as_it_asks_to_be(lines: Lines) -> None:
    asked = '{"question": "1?"}\n\n{"question": "2?", "mode": "liberal", "seed": 7}\n'
    code, told = lines(asked, "--base", "--seed", "5")
    before, after = "a before training", "a at step 3"
    assert (code, told[0]) == (0, {"models": [before, after]})
    assert told[1:4] == [{"model": before, "text": word} for word in ("the ", "base ", "with ")]  # as it comes
    said = [each for each in told[1:] if "done" in each]
    assert said == [{"model": m, "done": True, "tokens": 8, "truncated": False} for m in (before, after) * 2]
    texts = [(each["model"], each["text"]) for each in told[1:] if "text" in each]
    assert "".join(text for model, text in texts if model == after) == (
        "the trained with seed 5 was asked 1?.the trained with seed 7 was asked 2?."
    )


def test_a_line_that_asks_nothing_is_told_and_the_next_one_answered(lines: Lines) -> None:
    wrong = {
        "x": 'line: is no JSON object; write {"question": "1 + 1?"}.',
        "[" * 100_000: 'line: is no JSON object; write {"question": "1 + 1?"}.',
        "[1]": 'line: is no JSON object; write {"question": "1 + 1?"}.',
        "{}": "line: question: is empty; give a text.",
        '{"question": 3}': "line: question: is 3; give a text.",
        '{"qestion": "1"}': "line: qestion: is no key; did you mean question?",
        '{"question": "1", "mode": "all"}': "line: mode: is all; use greedy, standard or liberal.",
        '{"question": "1", "mode": []}': "line: mode: is a list; use greedy, standard or liberal.",
        '{"question": "1", "seed": true}': "line: seed: is true; give a whole number from 0 to 4294967295.",
        '{"question": "1", "seed": -1}': "line: seed: is -1; give a whole number from 0 to 4294967295.",
        '{"question": " "}': 'question: is empty; ask something: grpoctl ask "1 + 1?".',
        '{"question": "\\ud800"}': "question: is not UTF-8 text; write it as such.",
    }
    code, told = lines("\n".join([*wrong, '{"question": "1?"}']))
    assert code == 0
    assert [each["error"] for each in told if "error" in each] == list(wrong.values())
    assert told[-1]["done"] is True


def test_a_line_without_an_end_is_skipped_and_not_kept(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grpoctl.ask_lines._MAX_BYTES", 2**20)
    code, told = lines(b"x" * (5 * 2**20) + b'\n{"question": "1?"}\n')
    assert (code, told[1]) == (0, {"error": "line: is longer than 1 MiB; ask a shorter question."})
    assert told[-1]["done"] is True


def test_what_a_terminal_cannot_show_comes_through_whole(lines: Lines) -> None:
    question = "\x1b[31m 加 \u2028 👩\u200d🔬"
    told = lines(json.dumps({"question": question}))[1]
    assert "".join(each.get("text", "") for each in told).endswith(f"asked {question}.")


def test_a_sampler_that_cannot_stream_answers_in_one_piece(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(base.ENGINES, "trl", WHOLE)
    assert lines('{"question": "1?"}')[1][1]["text"] == "the trained with seed 0 was asked 1?."


def test_ctrl_c_stops_an_answer_and_the_next_question_is_answered(lines: Lines) -> None:
    code, told = lines('{"question": "interrupt"}\n{"question": "1?"}\n', "--base")
    assert code == 0
    assert told[1:3] == [{"model": "a before training", "text": "the "}, {"stopped": True}]
    assert told[-1] == {"model": "a at step 3", "done": True, "tokens": 8, "truncated": False}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1?"], "--lines: reads its questions from standard input; leave the question out."),
        (["--json"], "--lines: reads its questions from standard input; leave --json out."),
        (["--mode", "all"], "--mode: is all; use greedy, standard or liberal."),
        (["--checkpoint", "9"], "checkpoint-9: is not there; this run's checkpoints: none."),
    ],
)
def test_what_is_wrong_from_the_beginning_is_a_line_too(words: list[str], said: str, lines: Lines) -> None:
    code, told = lines("", *words)
    assert code == 2
    assert told[0]["error"].endswith(said)


def test_a_program_that_has_gone_ends_it(run: None) -> None:
    code = (
        "import sys; from fake_engine import FAKE; from grpoctl import cli; from grpoctl.engines import base\n"
        "base.ENGINES['trl'] = FAKE; sys.exit(cli.main(['ask', 'a', '--lines']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert b"models" in process.stdout.readline()
        process.stdin.write(b'{"question": "slowly"}\n')
        process.stdin.flush()
        assert b"text" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 128 + signal.SIGPIPE
