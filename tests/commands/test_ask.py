"""`grpoctl ask`: which words are the question, what the model sees of it, and how a conversation goes."""

import io
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FAKE, WHOLE
from fake_run import make_run, step

from grpoctl import shipped
from grpoctl.engines import base
from grpoctl.recipe.load import load_recipe
from grpoctl.run import checkpoints
from grpoctl.run.directory import RunDirectory

Grpoctl = Callable[..., tuple[int, str, str]]

TINY = shipped.MODELS["tiny"]
QUESTION = "Sam finds 92 cards, then another 49. How many in all?"


def trained_run(path: Path, weights: Path = TINY) -> RunDirectory:
    """A run of the quickstart that came to its end at step 3, with these weights as what it trained."""
    run = make_run(path, step(3, reward=1.0))
    run.resolved.write_text(json.dumps(load_recipe("quickstart").model_dump(mode="json")))
    copy_model(weights, run.path)
    return run


def copy_model(weights: Path, folder: Path) -> None:
    for file in weights.iterdir():
        shutil.copy(file, folder)


def type_in(monkeypatch: pytest.MonkeyPatch, text: str | bytes, terminal: bool = False) -> None:
    """What comes by standard input."""
    data = text.encode() if isinstance(text, str) else text
    stream = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stdin", stream)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that say who they are and what they were asked."""
    monkeypatch.setitem(base.ENGINES, "trl", FAKE)


@pytest.fixture
def run(runs: Path, fake: None) -> RunDirectory:
    return trained_run(runs / "a")


# --- which words are what


@pytest.mark.parametrize(
    "question",
    [
        "1 + 1?",
        "-3 + 5?",
        "1+1?",
        "一加一等于几",
        "x=2, what is 2x?",
        "speed=60 km/h. How far in 2 h?",
        "2x=4",
        "seed or flower",
        "a\nb",
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_question_is_known_as_such_with_and_without_a_run(
    question: str, named: bool, run: RunDirectory, grpoctl: Grpoctl
) -> None:
    words = ["a", question] if named else [question]
    assert grpoctl("ask", *words) == (
        0,
        f"the trained with seed 0 was asked {question}.\n",
        "loading a at step 3 …\n",
    )


def test_a_word_that_is_a_run_or_a_model_is_no_question(
    run: RunDirectory, tmp_path: Path, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "is it?"
    model.mkdir()
    copy_model(TINY, model)
    for name, who in (("a", "trained"), ("latest", "trained"), ("tiny", "base"), (str(model), "base")):
        type_in(monkeypatch, "one")
        assert grpoctl("ask", name, "seed=0")[1] == f"the {who} with seed 0 was asked one.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope"], "nope: is no run, and no model on this machine; see grpoctl runs, or fetch the model: "),
        (["nope", "1?"], "nope: is no run, and no model on this machine; see grpoctl runs, or fetch the model: "),
        (["./nope"], "./nope: is no folder; check the path.\n"),
        (["what", "is", "1?"], "grpoctl ask: takes a run or model and one question; put it in quotes: grpoctl ask "),
        (["a", "", "x"], "grpoctl ask: takes a run or model and one question; put it in quotes: grpoctl ask a "),
        (["1?", "lora_rnk=3"], "command line: lora_rnk: is no key; did you mean lora_rank?\n"),
        (["1?", "sytem_prompt=Think first."], "command line: sytem_prompt: is no key; did you mean system_prompt?\n"),
        (["1?", "y=2x"], "command line: y: is no key; "),
        (["1?", "max_completion_length=0"], "command line: max_completion_length: is 0; use 1 or more "),
        (["1?", "--mode", "gredy"], "--mode: is gredy; did you mean greedy?\n"),
        (["1?", "--mode", "all"], "--mode: is all; use greedy, standard or liberal.\n"),
        (["1?", "--checkpoint", "9"], "{runs}/a/checkpoint-9: is not there; this run's checkpoints: none.\n"),
        (["tiny", "1?", "--base"], "tiny: is no run, and only a run has a model before training; leave --base out.\n"),
        (["tiny", "1?", "--checkpoint", "3"], "tiny: is no run, and only runs have checkpoints; "),
        ([""], 'question: is empty; ask something: grpoctl ask "1 + 1?".\n'),
        (["a", " \n"], 'question: is empty; ask something: grpoctl ask "1 + 1?".\n'),
        (["a", "", "--raw"], 'question: is empty; ask something: grpoctl ask "1 + 1?".\n'),
        (["a \udcff?"], "question: is not UTF-8 text; write it as such.\n"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_exit_2(
    words: list[str], said: str, run: RunDirectory, runs: Path, grpoctl: Grpoctl
) -> None:
    code, out, err = grpoctl("ask", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(said.format(runs=runs))


def test_an_engine_without_its_packages_says_how_to_install_them(
    run: RunDirectory, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = base.EngineNeeds("a fake", ("no-such-package",), implementation=FAKE.implementation)
    monkeypatch.setitem(base.ENGINES, "trl", needs)
    said = "a: engine: is trl, and this Python lacks no-such-package; install them: pip install 'grpoctl[trl]'.\n"
    assert grpoctl("ask", "1?") == (2, "", said)


def test_without_a_run_one_is_asked_for(runs: Path, grpoctl: Grpoctl) -> None:
    assert grpoctl("ask", "1 + 1?") == (2, "", f"{runs}: holds no run; start one: grpoctl train quickstart.\n")


def test_a_run_that_failed_before_a_checkpoint_is_one_line(run: RunDirectory, grpoctl: Grpoctl) -> None:
    (run.path / "model.safetensors").unlink()
    said = "a: is dead and has no model yet; go on: grpoctl train --resume a.\n"
    assert grpoctl("ask", "1 + 1?") == (2, "", said)


# --- standard input


@pytest.mark.parametrize(
    ("typed", "question"), [("1 + 1?\n", "1 + 1?"), ("two\nlines\r\n", "two\nlines"), (" x", " x")]
)
def test_what_is_piped_in_is_one_question_without_its_last_line_end(
    typed: str, question: str, run: RunDirectory, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, typed)
    assert grpoctl("ask", "a")[:2] == (0, f"the trained with seed 0 was asked {question}.\n")


def test_raw_text_is_sent_as_it_stands(run: RunDirectory, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, " 1 + 1 = \n")
    assert json.loads(grpoctl("ask", "--raw", "--json")[1])["prompt"] == " 1 + 1 = \n"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (b"", 'question: is empty; ask something: grpoctl ask "1 + 1?".\n'),
        (b"\n\n", 'question: is empty; ask something: grpoctl ask "1 + 1?".\n'),
        (b"a\xff", "question: is not UTF-8 text; write it as such.\n"),
        # Each x is a token, and 8 are the template's: <|im_start|> user \n … <|im_end|> \n <|im_start|> assistant \n.
        (
            b"x" * 10**6,
            "question: comes to a prompt of 1000008 tokens, and the model has 512 positions; ask a shorter one.\n",
        ),
        (b"x" * (4 * 2**20 + 1), "question: is longer than 4 MiB; ask a shorter one.\n"),
    ],
)
def test_a_text_that_is_no_question_is_one_line(
    typed: bytes, said: str, run: RunDirectory, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, typed)
    assert grpoctl("ask") == (2, "", said)


def test_json_wants_a_question(run: RunDirectory, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "", terminal=True)
    code, out, err = grpoctl("ask", "--json")
    assert (code, json.loads(out)["ok"]) == (2, False)
    assert err == 'grpoctl ask: takes a question with --json; give one: grpoctl ask latest "1 + 1?" --json.\n'


# --- what the model sees, and what is shown of its answer


def test_the_prompt_is_the_one_that_training_renders(run: RunDirectory, grpoctl: Grpoctl) -> None:
    system = 'system_prompt="Think: first."'
    question = json.loads((shipped.DATA / "tiny_arithmetic_train.json").read_text())[0]["instruction"]
    preview = json.loads(grpoctl("data", "preview", "tiny_arithmetic", system, "--json")[1])["rows"][0]["prompt"]
    assert "Think: first." in preview and question in preview
    asked = json.loads(grpoctl("ask", "a", question, system, "--json")[1])
    assert asked["prompt"] == preview


def test_json_holds_the_answer_and_how_it_came_about(run: RunDirectory, grpoctl: Grpoctl) -> None:
    code, out, err = grpoctl("ask", "1?", "--mode", "liberal", "--seed", "7", "--base", "--json")
    prompt = "<|im_start|>user\n1?<|im_end|>\n<|im_start|>assistant\n"
    common = {"tokens": 8, "truncated": False, "mode": "liberal", "seed": 7, "prompt": prompt}
    assert code == 0
    assert json.loads(out) == {
        "model": "a at step 3",
        "answer": "the trained with seed 7 was asked 1?.",
        **common,
        "base": {"model": "a before training", "answer": "the base with seed 7 was asked 1?.", **common},
    }
    assert err == "loading a before training …\nloading a at step 3 …\n"


def test_the_model_before_training_answers_first_and_each_under_its_name(run: RunDirectory, grpoctl: Grpoctl) -> None:
    assert grpoctl("ask", "1?", "--base")[1].splitlines() == [
        "--- a before training",
        "the base with seed 0 was asked 1?.",
        "--- a at step 3",
        "the trained with seed 0 was asked 1?.",
    ]


def test_an_answer_that_is_cut_off_says_so_beside_it(run: RunDirectory, grpoctl: Grpoctl) -> None:
    assert grpoctl("ask", "1?", "max_completion_length=4") == (
        0,
        "the trained with seed \n",
        "loading a at step 3 …\n(cut off behind 4 tokens; for more: max_completion_length=8)\n",
    )


def test_an_answer_never_goes_beyond_the_models_positions(run: RunDirectory, grpoctl: Grpoctl) -> None:
    # 500 tokens and the template's 8 leave 4 of 512.
    code, out, err = grpoctl("ask", "a", "x" * 500)
    assert (code, out) == (0, "the trained with seed \n")
    assert err.splitlines()[1] == "(cut off behind 4 tokens, at the end of the model's 512 positions)"


def test_a_terminal_gets_nothing_to_obey(run: RunDirectory, grpoctl: Grpoctl) -> None:
    # A red bell, a carriage return, text from right to left, a line, a tab, a wide space and a joined emoji.
    question = "\x1b[31m\x07 \r \u202e | \n\t\u3000👩\u200d🔬 \x9b"
    out = grpoctl("ask", "a", question)[1]
    assert out.endswith("was asked \\x1b[31m\\x07 \\r \\u202e | \n\t\u3000👩\u200d🔬 \\x9b.\n")
    assert json.loads(grpoctl("ask", "a", question, "--json")[1])["answer"].endswith(f"was asked {question}.")


def test_a_sampler_that_cannot_stream_is_asked_too(
    run: RunDirectory, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(base.ENGINES, "trl", WHOLE)
    assert grpoctl("ask", "1?", "--seed", "2")[1] == "the trained with seed 2 was asked 1?.\n"


def test_ctrl_c_ends_an_answer_with_130_and_what_came_is_shown(run: RunDirectory, grpoctl: Grpoctl) -> None:
    assert grpoctl("ask", "a", "interrupt", "--base") == (
        130,
        "--- a before training\nthe \n",
        "loading a before training …\n",
    )


def test_a_reader_that_has_gone_is_no_fault(run: RunDirectory) -> None:
    with Child("a", "1?", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == "loading a at step 3 …\n".encode()
    assert process.returncode == 141


# --- the tiny model itself


def answer_of(grpoctl: Grpoctl, *words: str) -> str:
    code, out, _ = grpoctl("ask", *words, "--json")
    assert code == 0
    answer: str = json.loads(out)["answer"]
    return answer


def test_a_greedy_answer_is_that_of_generate(runs: Path, grpoctl: Grpoctl) -> None:
    pytest.importorskip("trl")
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(TINY)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    model = transformers.AutoModelForCausalLM.from_pretrained(TINY)
    told = model.generate(**prompt, max_new_tokens=40, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    expected = tokenizer.decode(told, skip_special_tokens=True)
    assert expected.startswith("<reasoning>")
    assert grpoctl("ask", "tiny", QUESTION)[:2] == (0, f"{expected}\n")
    assert answer_of(grpoctl, "tiny", QUESTION, "--seed", "5") == expected


def test_the_same_seed_draws_the_same_answer_and_another_another(runs: Path, grpoctl: Grpoctl) -> None:
    pytest.importorskip("trl")

    def drawn(seed: int) -> str:
        return answer_of(grpoctl, "tiny", QUESTION, "--mode", "liberal", "--seed", str(seed))

    first = [drawn(seed) for seed in range(4)]
    assert [drawn(seed) for seed in range(4)] == first
    assert len(set(first)) > 1
    assert answer_of(grpoctl, "tiny", QUESTION, "--mode", "liberal", "seed=3") == first[3]


def test_a_run_answers_by_its_weights_and_before_training_by_those_it_began_with(
    runs: Path, tmp_path: Path, grpoctl: Grpoctl
) -> None:
    pytest.importorskip("trl")
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    other = tmp_path / "other"
    other.mkdir()
    copy_model(TINY, other)
    weights = safetensors.load_file(other / "model.safetensors")
    noise = torch.Generator().manual_seed(0)
    noisy = {name: each + 0.05 * torch.randn(each.shape, generator=noise) for name, each in weights.items()}
    safetensors.save_file(noisy, other / "model.safetensors", metadata={"format": "pt"})
    run = trained_run(runs / "a", other)
    with checkpoints.writing(run, 2) as folder:
        copy_model(TINY, folder)

    before, after = answer_of(grpoctl, "tiny", QUESTION), answer_of(grpoctl, str(other), QUESTION)
    assert before != after
    asked = json.loads(grpoctl("ask", QUESTION, "max_completion_length=512", "--base", "--json")[1])
    assert (asked["base"]["answer"], asked["answer"]) == (before, after)
    assert answer_of(grpoctl, QUESTION, "--checkpoint", "2") == before


def test_a_second_question_is_asked_behind_the_first_answer(
    runs: Path, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trl")
    first = answer_of(grpoctl, "tiny", QUESTION)
    prompt = (
        f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n{first}<|im_end|>\n"
        "<|im_start|>user\nAnd 12 + 7?<|im_end|>\n<|im_start|>assistant\n"
    )
    second = answer_of(grpoctl, "tiny", prompt, "--raw")
    assert second != answer_of(grpoctl, "tiny", "And 12 + 7?")
    type_in(monkeypatch, f"{QUESTION}\nAnd 12 + 7?\n", terminal=True)
    code, out, _ = grpoctl("ask", "tiny")
    assert code == 0
    assert out.split("> ", 1)[1] == f"{first}\n> {second}\n> \n"


# --- conversations


def said_in(grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch, lines: str, *words: str) -> tuple[list[str], list[str]]:
    """What a conversation prints behind its first line, and what it says on standard error behind the loading."""
    type_in(monkeypatch, lines, terminal=True)
    code, out, err = grpoctl("ask", *words)
    assert code == 0
    return out.splitlines()[1:], [line for line in err.splitlines() if not line.startswith("loading ")]


def test_history_is_kept_until_new_and_each_question_has_random_numbers_of_its_own(
    run: RunDirectory, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = said_in(grpoctl, monkeypatch, "one\n\n  two \n/new\nthree\n/quit\nfour\n", "--seed", "5")
    assert err == []
    assert out == [
        "> the trained with seed 5 was asked one.",
        "> > the trained with seed 6 was asked one and two.",
        "> > the trained with seed 7 was asked three.",
        "> ",
    ]


def test_both_models_go_on_with_their_own_answers(
    run: RunDirectory, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = said_in(grpoctl, monkeypatch, "one\ntwo\n", "--base")
    assert out[4:8] == [
        "> --- a before training",
        "the base with seed 1 was asked one and two.",
        "--- a at step 3",
        "the trained with seed 1 was asked one and two.",
    ]


def test_each_ctrl_c_stops_one_answer_and_what_was_said_is_kept(
    run: RunDirectory, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = said_in(grpoctl, monkeypatch, "interrupt\nand now?\n", "--base")
    assert err == []
    assert out[:4] == ["> --- a before training", "the ", "--- a at step 3", "the "]
    assert out[7] == "the trained with seed 1 was asked interrupt and and now?."


def test_an_unknown_command_shows_what_there_is(
    run: RunDirectory, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = said_in(grpoctl, monkeypatch, "/help\n/quit\n")
    assert out[0].startswith("> a line is a question; /new starts over, /quit or Ctrl-D ends")


def test_a_conversation_that_outgrows_the_model_goes_on_anew(
    run: RunDirectory, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "x" * 300
    out, err = said_in(grpoctl, monkeypatch, f"{long}\n{long}\n/new\none\n")
    assert len(err) == 1
    assert re.fullmatch(r"question: comes to a prompt of \d+ tokens, .* 512 positions; start over with /new\.", err[0])
    assert out[-2] == "> > > the trained with seed 2 was asked one."


def test_raw_lines_have_no_history(run: RunDirectory, grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch) -> None:
    # The fake model finds questions by the template's marks, and there are none.
    out, _ = said_in(grpoctl, monkeypatch, "one\ntwo\n", "--raw")
    assert out == ["> the trained with seed 0 was asked .", "> the trained with seed 1 was asked .", "> "]


class Child(subprocess.Popen[bytes]):
    """`grpoctl ask` in a process of its own, with the fake engine; a terminal as its standard input is its own."""

    def __init__(self, *words: str, **streams: Any) -> None:
        code = (
            "import fcntl, sys, termios; from contextlib import suppress\n"
            "with suppress(OSError): fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
            "from fake_engine import FAKE; from grpoctl import cli; from grpoctl.engines import base\n"
            "base.ENGINES['trl'] = FAKE; sys.exit(cli.main(['ask', *sys.argv[1:]]))"
        )
        tests = str(Path(__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": tests, "TERM": "dumb"}
        super().__init__([sys.executable, "-c", code, *words], env=environment, start_new_session=True, **streams)


class Terminal:
    """A conversation at a terminal: what is typed, and what is on the screen since it was looked at last."""

    def __init__(self, *words: str) -> None:
        self._own, theirs = pty.openpty()
        self.process = Child(*words, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self._screen = ""

    def type(self, text: str) -> None:
        os.write(self._own, text.encode())

    def press_ctrl_c_at_the_prompt(self) -> None:
        self.wait_for("> ")
        # Between writing the prompt and waiting for a key, Python would take the signal and go on waiting.
        state = Path(f"/proc/{self.process.pid}/stat")
        while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "S":
            time.sleep(0.01)
        time.sleep(0.1 if state.exists() else 1)
        self.type("\x03")

    def wait_for(self, text: str, timeout_s: float = 30) -> str:
        """The screen up to this text."""
        latest = time.monotonic() + timeout_s
        while text not in self._screen:
            ready, _, _ = select.select([self._own], [], [], max(0.0, latest - time.monotonic()))
            assert ready, f"{text!r} never came: {self._screen!r}"
            try:
                self._screen += os.read(self._own, 65536).decode(errors="replace")
            except OSError:  # so ends a terminal whose process has gone
                raise AssertionError(f"{text!r} did not come before the end: {self._screen!r}") from None
        before, _, self._screen = self._screen.partition(text)
        return before

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)


@pytest.fixture
def terminal(run: RunDirectory) -> Iterator[Terminal]:
    opened = Terminal("a")
    opened.wait_for("> ")
    yield opened
    opened.close()


def test_ctrl_c_stops_an_answer_and_a_second_one_ends(terminal: Terminal) -> None:
    terminal.type("one\n")
    terminal.wait_for("seed 0 was asked one.")
    terminal.wait_for("> ")
    terminal.type("slowly\n")
    terminal.wait_for("the ")  # as it comes: the whole takes 10 s
    terminal.type("\x03")
    assert "asked" not in terminal.wait_for("> ", 10)
    terminal.type("two\n")
    terminal.wait_for("seed 2 was asked one and slowly and two.")
    terminal.press_ctrl_c_at_the_prompt()
    terminal.wait_for("Ctrl-C again, Ctrl-D or /quit ends")
    terminal.press_ctrl_c_at_the_prompt()
    assert terminal.process.wait(10) == 130


def test_one_ctrl_c_for_the_answer_and_one_at_the_prompt_end(terminal: Terminal) -> None:
    terminal.type("slowly\n")
    terminal.wait_for("the ")
    terminal.type("\x03")
    terminal.press_ctrl_c_at_the_prompt()
    assert terminal.process.wait(10) == 130


@pytest.mark.parametrize("typed", ["/quit\n", "\x04"])
def test_quit_and_ctrl_d_end_a_conversation(typed: str, terminal: Terminal) -> None:
    terminal.type(typed)
    assert terminal.process.wait(10) == 0


def test_a_picture_is_no_question_for_a_language_model(run: RunDirectory, tmp_path: Path, grpoctl: Grpoctl) -> None:
    picture = tmp_path / "digit.png"
    picture.write_bytes(b"")
    for words in (["a", str(picture)], [str(picture)]):
        code, out, err = grpoctl("ask", *words)
        fix = f"name a run of engine mlp: grpoctl ask RUN {picture}."
        assert (code, out, err) == (2, "", f"{picture}: is a picture, and a is a language model; {fix}\n")
