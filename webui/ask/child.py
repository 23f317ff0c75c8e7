"""Who holds the models that are asked? One `grpoctl ask --lines` at a time, which ends with its pipe, or when idle."""

import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from grpoctl.errors import Finding, InputError, printable
from webui.ask.exchange import Exchange
from webui.processes import command_line

PROGRAM = (sys.executable, "-m", "grpoctl")
IDLE_S = 300.0
_MOST_WAITING = 8
_GRACE_S = 5.0  # from the wish to end until it is made to


class Child:
    """One process with its models, the question that it is at, and those that wait for it."""

    def __init__(self, words: Sequence[str], idle_s: float = IDLE_S) -> None:
        self.words = list(words)
        self.ready = self.ended = False
        self._models: list[str] = []
        self._waiting: list[Exchange] = []
        self._at: Exchange | None = None
        self._lock = threading.RLock()
        self._idle_s = idle_s
        self._idle: threading.Timer | None = None
        self._last_words = ""
        self._said = tempfile.TemporaryFile()  # noqa: SIM115, as it lives as long as the child
        self._process = subprocess.Popen(
            [*PROGRAM, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            start_new_session=True,  # Ctrl-C ends the page, and the child hears of that by its pipe
        )
        threading.Thread(target=self._listen, name="answers", daemon=True).start()

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def command(self) -> str:
        return command_line(self.words)

    def ask(self, exchange: Exchange) -> None:
        """As soon as those before it are answered."""
        with self._lock:
            if self.ended:
                exchange.end(self._last_words)
                return
            if len(self._waiting) >= _MOST_WAITING:
                raise InputError(Finding("has too many questions before it", "wait for an answer", file="question"))
            self._waiting.append(exchange)
            self._go_on()

    def stop(self, exchange: Exchange) -> None:
        """Not ask it, or end its answer: by SIGINT, which keeps the models, and the second time with the child."""
        with self._lock:
            if exchange in self._waiting:
                self._waiting.remove(exchange)
                exchange.stopped = True
                exchange.end()
            elif exchange is self._at and not exchange.over:
                if exchange.stopped:
                    self._process.kill()
                exchange.stopped = True
                self._process.send_signal(signal.SIGINT)

    def end(self, why: str = "") -> None:
        """No more questions; what is being answered ends here."""
        with self._lock:
            for exchange in [*([self._at] if self._at else []), *self._waiting]:
                exchange.end(why)
            self._at, self._waiting, self.ended = None, [], True
            self._stay_for(None)
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # an answer that is coming holds up the end of the lines
            _later(_GRACE_S, self._process.kill)

    def _go_on(self) -> None:
        """Pass the next question on where nothing is being answered; else, without one, wait only so long."""
        if not self.ready or self._at is not None:
            return
        if not self._waiting:
            self._stay_for(self._idle_s)
            return
        self._stay_for(None)
        self._at = exchange = self._waiting.pop(0)
        exchange.models, exchange.begun = self._models, True
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended, of which the listener hears
            self._process.stdin.write(json.dumps(exchange.as_line()).encode() + b"\n")
            self._process.stdin.flush()

    def _stay_for(self, idle_s: float | None) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = None if idle_s is None else _later(idle_s, self.end)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with suppress(ValueError):
                    told = json.loads(line)
                    if isinstance(told, dict):
                        self._take_in(told)
        self._process.wait()
        with self._lock, self._said:
            self._last_words = self._why()
            if not self.ended:
                self.end(self._last_words)

    def _take_in(self, told: dict[str, Any]) -> None:
        with self._lock:
            if isinstance(models := told.get("models"), list):
                self._models, self.ready = [str(each) for each in models], True
            elif self._at is not None:
                self._at.hear(told)
                if self._at.over:
                    self._at = None
            elif not self.ready and "error" in told:
                self.end(str(told["error"]))
            self._go_on()

    def _why(self) -> str:
        """Why it ended, where it did not say so in a line."""
        self._said.seek(0)
        lines = self._said.read()[-4096:].decode("utf-8", "replace").splitlines()
        said = next((line for line in reversed(lines) if line.strip()), "")
        return printable(said)[:300] or f"{self.command}: ended without a word."


def _later(after_s: float, act: Callable[[], object]) -> threading.Timer:
    """Does it then, unless the server has ended before."""
    timer = threading.Timer(after_s, act)
    timer.daemon = True
    timer.start()
    return timer
