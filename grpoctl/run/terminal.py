"""What does a person see of a run as it goes on, and what does its log keep?"""

import faulthandler
import logging
import shutil
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from statistics import median
from typing import Any, TextIO

from grpoctl.counted import counted
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Event
from grpoctl.secret_values import without_secrets

_log = logging.getLogger(__name__)

_WIDTH_OF_BAR = 20


class Narrator:
    """Puts events into words: one line each, through logging, so that the terminal and train.log both have them."""

    def __init__(self) -> None:
        self._pace = _Pace()

    def hear(self, event: Event) -> None:
        kind = event["event"]
        if kind == ev.STEP:
            line = self._step(event)
            _log.info("%s", line, extra={"share": event["step"] / max(event["max_steps"], 1)})
        elif kind == ev.EVAL:
            _log.info("%s", eval_in_words(event))
        elif kind == ev.ADVICE:
            _log.warning("%s", event["text"])

    def close(self) -> None:
        """Nothing is kept open."""

    def _step(self, event: Event) -> str:
        left_s = self._pace.left_s(event["max_steps"] - event["step"], event.get("step_time_s"))
        parts = [
            f"step {event['step']}/{event['max_steps']}",
            None if left_s is None else f"{_clock(left_s)} left",  # early, as a narrow terminal cuts the end off
            f"reward {_number(event.get('reward'), '.3f')}",
            None if event.get("kl") is None else f"kl {_number(event['kl'], '.4f')}",
            *_length_and_rate(event),
        ]
        return "  ".join(part for part in parts if part)


def _length_and_rate(event: Event) -> list[str]:
    """How long the answers are and how fast; a digit is one token, and its length says nothing."""
    rate = _number(event.get("tokens_per_s"), ",.0f")
    if event.get("completions/mean_length") == 1:
        return [f"{rate} answers/s"]
    return [f"length {_number(event.get('completions/mean_length'), '.0f')}", f"{rate} tokens/s"]


class _Pace:
    """How long the rest takes, from the pace of the last steps."""

    def __init__(self) -> None:
        self._step_times_s: deque[float] = deque(maxlen=20)

    def left_s(self, steps_left: int, step_time_s: float | None) -> float | None:
        if step_time_s is not None:
            self._step_times_s.append(step_time_s)
        return steps_left * median(self._step_times_s) if self._step_times_s else None


def eval_in_words(event: dict[str, Any]) -> str:
    # A digit is one token and stands in no form.
    form = "" if event.get("mean_length") == 1 else f", {event['format_accuracy']:.3f} in form"
    return (
        f"{event['dataset']}, {event['mode']}, step {event['step']}: {event['accuracy']:.3f} right{form} "
        f"({counted(event['n'], 'problem')}, {event['seconds']:.1f} s)"
    )


def _number(value: Any, form: str) -> str:
    return format(value, form) if isinstance(value, int | float) else "?"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Screen(logging.Handler):
    """Lines on a stream; on a terminal the step lines share one line with a bar, which stays at the bottom."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(logging.INFO)
        self._stream, self._bar = stream, ""
        self._live = stream.isatty()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line, share = self.format(record), getattr(record, "share", None)
            if not self._live:
                self._stream.write(f"{line}\n")
            elif share is not None:
                self._draw(_bar(share, line))
            else:
                self._stream.write(f"\r\x1b[K{line}\n")
                self._draw(self._bar)
            self._stream.flush()
        except (OSError, ValueError):  # a terminal that is gone must not end a training
            self._stream, self._live = sys.__stderr__ or self._stream, False
        except RuntimeError:  # a signal came within a write, and Python takes none within it; train.log has the line
            pass

    def finish(self) -> None:
        """Leave the bar behind."""
        if self._live and self._bar:
            with suppress(OSError, ValueError):
                self._stream.write("\n")
            self._bar = ""

    def _draw(self, bar: str) -> None:
        self._bar = bar
        if bar:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{bar[:width]}")


def _bar(share: float, line: str) -> str:
    # A tenth of a narrow terminal, so that what it says still fits.
    places = min(_WIDTH_OF_BAR, shutil.get_terminal_size().columns // 10)
    filled = round(share * places)
    return f"{'█' * filled}{'░' * (places - filled)} {line}"


@contextmanager
def narrating(run: RunDirectory, stream: TextIO | None) -> Iterator[None]:
    """Log to the run's train.log, and to the stream where one is given, while the block runs."""
    root = logging.getLogger()
    level = root.level
    log = logging.FileHandler(run.log, encoding="utf-8", delay=True)
    log.setFormatter(_Discreet("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    handlers: list[logging.Handler] = [log]
    screen = Screen(stream) if stream is not None else None
    if screen is not None:
        screen.setFormatter(_Plain())
        screen.addFilter(_is_for_people)
        handlers.append(screen)
    root.setLevel(logging.INFO)
    quiet = {name: logging.getLogger(name).level for name in ("httpx", "matplotlib", "jax", "absl", "datasets")}
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)
    for handler in handlers:
        root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        with _crashes_in(run):
            yield
    finally:
        logging.captureWarnings(False)
        if screen is not None:
            screen.finish()
        for handler in handlers:
            root.removeHandler(handler)
            with suppress(OSError):  # a full disk
                handler.close()
        root.setLevel(level)
        for name, before in quiet.items():
            logging.getLogger(name).setLevel(before)


@contextmanager
def _crashes_in(run: RunDirectory) -> Iterator[None]:
    """Where Python itself crashes, its last words stand in the log."""
    if faulthandler.is_enabled():  # by whoever runs this
        yield
        return
    with run.log.open("ab") as log:
        faulthandler.enable(log)
        try:
            yield
        finally:
            faulthandler.disable()


def _is_for_people(record: logging.LogRecord) -> bool:
    """What libraries say, and what the command line prints by itself, goes into the log alone."""
    return record.name.split(".")[0] == "grpoctl" and not getattr(record, "log_only", False)


class _Discreet(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class _Plain(_Discreet):
    """The message, with its level where that is worth a look."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"{record.levelname.lower()}: {text}" if record.levelno >= logging.WARNING else text
