"""What a person sees of a run: plain lines in a file, a bar at the bottom of a terminal; and the log has all of it."""

import io
import logging
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import ADVICE, EVAL, STEP
from grpoctl.run.terminal import Narrator, narrating

_log = logging.getLogger("grpoctl.somewhere")

METRICS = {"reward": 0.5, "kl": 0.01234, "completions/mean_length": 41.6, "tokens_per_s": 1234.5, "step_time_s": 2.0}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def on_screen(written: str) -> list[str]:
    """The lines that a terminal shows of it: \\r goes to the margin, ESC [K clears what stands behind."""
    lines, column = [""], 0
    for part in re.findall(r"\r|\n|\x1b\[K|[^\r\n\x1b]+|.", written):
        if part == "\n":
            lines.append("")
            column = 0
        elif part == "\r":
            column = 0
        elif part == "\x1b[K":
            lines[-1] = lines[-1][:column]
        else:
            lines[-1] = lines[-1][:column] + part + lines[-1][column + len(part) :]
            column += len(part)
    return lines


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def logged(run: RunDirectory) -> list[str]:
    """The lines of train.log without their time."""
    lines = run.log.read_text(encoding="utf-8").splitlines()
    return [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "", line) for line in lines]


def tell_steps(narrator: Narrator, *numbers: int, max_steps: int = 10, **metrics: Any) -> None:
    for number in numbers:
        narrator.hear({"event": STEP, "step": number, "max_steps": max_steps, **METRICS, **metrics})


def left(run: RunDirectory, step_times_s: list[float | None], steps_left: int) -> str:
    """The last part of the last step's line, after steps of these times."""
    narrator = Narrator()
    with narrating(run, None):
        for number, seconds in enumerate(step_times_s, 1):
            tell_steps(narrator, number, max_steps=len(step_times_s) + steps_left, step_time_s=seconds)
    return logged(run)[-1].split("  ")[1]


# --- words


def test_a_stream_that_is_no_terminal_gets_one_line_a_step(run: RunDirectory) -> None:
    stream = io.StringIO()
    with narrating(run, stream):
        narrator = Narrator()
        tell_steps(narrator, 1, 2)
        tell_steps(narrator, 10, kl=None, tokens_per_s=None, reward=None)
    assert stream.getvalue() == (
        "step 1/10  0:18 left  reward 0.500  kl 0.0123  length 42  1,234 tokens/s\n"
        "step 2/10  0:16 left  reward 0.500  kl 0.0123  length 42  1,234 tokens/s\n"
        "step 10/10  0:00 left  reward ?  length 42  ? tokens/s\n"
    )
    assert logged(run) == [f"INFO {line}" for line in stream.getvalue().splitlines()]


def test_an_evaluation_is_one_line(run: RunDirectory) -> None:
    scores = {"accuracy": 0.4321, "format_accuracy": 0.9, "n": 200, "seconds": 1.25}
    stream = io.StringIO()
    with narrating(run, stream):
        Narrator().hear({"event": EVAL, "step": 5, "mode": "greedy", "dataset": "tiny", **scores})
    assert stream.getvalue() == "tiny, greedy, step 5: 0.432 right, 0.900 in form (200 problems, 1.2 s)\n"


def test_digits_are_answers_and_no_tokens(run: RunDirectory) -> None:
    screen = io.StringIO()
    with narrating(run, screen):
        Narrator().hear({"event": STEP, "step": 1, "max_steps": 4, **METRICS, "completions/mean_length": 1.0})
        scores = {"accuracy": 0.5, "format_accuracy": 1.0, "mean_length": 1.0, "n": 1, "seconds": 2.0}
        Narrator().hear({"event": EVAL, "dataset": "digits", "mode": "greedy", "step": 0, **scores})
    step, evaluated = screen.getvalue().splitlines()
    assert step.endswith("reward 0.500  kl 0.0123  1,234 answers/s")
    assert evaluated == "digits, greedy, step 0: 0.500 right (1 problem, 2.0 s)"


def test_warnings_carry_their_level(run: RunDirectory) -> None:
    stream = io.StringIO()
    with narrating(run, stream):
        _log.info("well")
        _log.warning("odd")
        _log.error("wrong")
        Narrator().hear({"event": ADVICE, "text": "Lower learning_rate."})
    assert stream.getvalue() == "well\nwarning: odd\nerror: wrong\nwarning: Lower learning_rate.\n"
    assert logged(run) == ["INFO well", "WARNING odd", "ERROR wrong", "WARNING Lower learning_rate."]


def test_events_that_need_no_words_get_none(run: RunDirectory) -> None:
    stream = io.StringIO()
    with narrating(run, stream):
        Narrator().hear({"event": "checkpoint_saved", "step": 5})
    assert stream.getvalue() == ""
    assert not run.log.exists()


@pytest.mark.parametrize(
    ("step_times_s", "steps_left", "said"),
    [
        ([2.0], 30, "1:00 left"),
        ([1.0, 1.0, 100.0], 7, "0:07 left"),  # an evaluation in a step does not count for every step to come
        ([1.0, None], 7, "0:07 left"),
        ([3.0], 1221, "1:01:03 left"),
        ([0.5], 119, "1:00 left"),  # 59.5 s are a minute, not 0:60
        # The last twenty count alone: the median of 9 at 10 s and 11 at 1 s is 1 s.
        ([10.0] * 40 + [1.0] * 11, 7, "0:07 left"),
    ],
)
def test_the_time_left_follows_the_median_of_the_last_steps(
    run: RunDirectory, step_times_s: list[float | None], steps_left: int, said: str
) -> None:
    assert left(run, step_times_s, steps_left) == said


def test_without_a_step_time_no_time_is_left_to_tell(run: RunDirectory) -> None:
    assert left(run, [None], 7) == "reward 0.500"


# --- a terminal


def test_the_bar_stays_at_the_bottom_of_a_terminal(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    with narrating(run, stream):
        narrator = Narrator()
        _log.info("before")
        tell_steps(narrator, 4)
        _log.warning("between")
        tell_steps(narrator, 5, tokens_per_s=1)  # a shorter line, which must not leave an end of the longer one
        first, second, bar = on_screen(stream.getvalue())
        assert (first, second) == ("before", "warning: between")
        # 5 of 10 steps fill 10 of 20 places.
        assert bar == "█" * 10 + "░" * 10 + " step 5/10  0:10 left  reward 0.500  kl 0.0123  length 42  1 tokens/s"
        _log.info("after")
        assert on_screen(stream.getvalue()) == [first, second, "after", bar]
    # The shell's prompt comes below it.
    assert on_screen(stream.getvalue()) == [first, second, "after", bar, ""]


def test_a_terminal_without_a_bar_gets_no_empty_line(run: RunDirectory) -> None:
    stream = Terminal()
    with narrating(run, stream):
        _log.info("one")
    assert on_screen(stream.getvalue()) == ["one", ""]


def test_the_bar_never_wraps_onto_a_second_line(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    with narrating(run, stream):
        tell_steps(Narrator(), 5)
        (bar,) = on_screen(stream.getvalue())
    # A character in the last column makes some terminals go on to the next line.
    assert len(bar) == 39
    assert "0:10 left" in bar
    assert logged(run)[0].endswith("1,234 tokens/s")


def test_the_log_has_no_bar(run: RunDirectory) -> None:
    with narrating(run, Terminal()):
        tell_steps(Narrator(), 1)
    assert logged(run) == ["INFO step 1/10  0:18 left  reward 0.500  kl 0.0123  length 42  1,234 tokens/s"]


# --- libraries


def test_what_libraries_say_goes_into_the_log_alone(run: RunDirectory) -> None:
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with narrating(run, stream):
            logging.getLogger("trl.trainer").warning("slow")
            logging.getLogger("grpoctl_plugin").warning("another's")
            warnings.warn("old", DeprecationWarning, stacklevel=1)
            _log.info("ours")
    assert stream.getvalue() == "ours\n"
    assert logged(run)[:2] == ["WARNING slow", "WARNING another's"]
    assert logged(run)[2].endswith("DeprecationWarning: old")
    assert logged(run)[-1] == "INFO ours"


def test_chatty_libraries_are_heard_from_warnings_on(run: RunDirectory) -> None:
    with narrating(run, None):
        logging.getLogger("httpx").info("GET /")
        logging.getLogger("httpx").warning("refused")
    assert logged(run) == ["WARNING refused"]


def test_without_a_screen_the_log_is_kept_all_the_same(run: RunDirectory) -> None:
    with narrating(run, None):
        _log.info("quietly")
    assert logged(run) == ["INFO quietly"]


def test_each_line_of_the_log_begins_with_its_time(run: RunDirectory) -> None:
    with narrating(run, None):
        _log.info("on")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO on\n", run.log.read_text())


def test_a_resumed_run_goes_on_in_the_same_log(run: RunDirectory) -> None:
    for line in ("first", "second"):
        with narrating(run, None):
            _log.info(line)
    assert logged(run) == ["INFO first", "INFO second"]


# --- what must not end a run


class Gone(Terminal):
    """A terminal that goes away after so many writes."""

    def __init__(self, error: Exception, writes: int = 0) -> None:
        super().__init__()
        self._error, self._left = error, writes

    def write(self, text: str) -> int:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return super().write(text)


ERRORS = [OSError(5, "Input/output error"), BrokenPipeError(32, "Broken pipe"), ValueError("I/O on closed file")]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("writes", [0, 1])
def test_a_terminal_that_is_gone_ends_no_run(run: RunDirectory, error: Exception, writes: int) -> None:
    with narrating(run, Gone(error, writes)):
        tell_steps(Narrator(), 1)
        _log.info("on")
        tell_steps(Narrator(), 2)
    assert len(logged(run)) == 3


def test_a_terminal_that_goes_at_the_end_ends_no_run(run: RunDirectory) -> None:
    before = list(logging.getLogger().handlers)
    with narrating(run, Gone(OSError(5, "Input/output error"), writes=1)):
        tell_steps(Narrator(), 1)
    assert logging.getLogger().handlers == before


def test_the_rest_goes_to_standard_error_in_plain_lines(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    error_stream = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", error_stream)
    with narrating(run, Gone(BrokenPipeError(), writes=1)):
        tell_steps(Narrator(), 1)
        _log.info("lost")
        _log.info("one")
        tell_steps(Narrator(), 10)
    step = "step 10/10  0:00 left  reward 0.500  kl 0.0123  length 42  1,234 tokens/s"
    assert error_stream.getvalue() == f"one\n{step}\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_ends_no_run(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)  # or each line would print a traceback
    run.log.symlink_to("/dev/full")
    stream = io.StringIO()
    before = list(logging.getLogger().handlers)
    with narrating(run, stream):
        _log.info("on")
    assert stream.getvalue() == "on\n"
    assert logging.getLogger().handlers == before


IN_A_WRITE = """
import logging, sys
from pathlib import Path
from grpoctl.run.directory import RunDirectory
from grpoctl.run.stop import StopRequest
from grpoctl.run.terminal import narrating

stop = StopRequest()
with narrating(RunDirectory(Path(sys.argv[1])), sys.stdout), stop.listening():
    logging.getLogger("grpoctl").info("x" * 1_000_000)
    logging.getLogger("grpoctl").info("stopping for %s", stop())
"""


def test_a_signal_within_a_write_ends_no_run(run: RunDirectory) -> None:
    # As when a terminal is held by Ctrl-S and then gets Ctrl-C: Python refuses a write within a write.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", IN_A_WRITE, str(run.path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        # The child is within the write: a pipe holds far less than a million characters.
        assert os.read(process.stdout.fileno(), 1) == b"x"
        process.send_signal(signal.SIGINT)
        latest = time.monotonic() + 20
        while "Stopping" not in run.log.read_text() and time.monotonic() < latest:
            time.sleep(0.01)
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert said.endswith(b"stopping for 2\n")
    assert logged(run)[1:] == [
        "INFO Stopping behind this step, with a checkpoint; Ctrl-C again ends at once.",
        "INFO stopping for 2",
    ]


# --- afterwards


QUIET = ("httpx", "matplotlib", "jax", "absl")


def logging_state() -> list[object]:
    root = logging.getLogger()
    return [list(root.handlers), root.level, [logging.getLogger(name).level for name in QUIET], warnings.showwarning]


@pytest.fixture
def own_levels() -> Iterator[list[object]]:
    """The state of logging, with levels that nothing here would set by itself."""
    loggers = [logging.getLogger(name) for name in (None, *QUIET)]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    yield logging_state()
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def test_logging_is_afterwards_as_it_was_before(run: RunDirectory, own_levels: list[object]) -> None:
    with narrating(run, Terminal()):
        assert logging_state() != own_levels
    assert logging_state() == own_levels


def test_logging_is_as_it_was_behind_a_run_that_failed(run: RunDirectory, own_levels: list[object]) -> None:
    with pytest.raises(ValueError), narrating(run, Terminal()):
        raise ValueError
    assert logging_state() == own_levels
