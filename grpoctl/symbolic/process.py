"""How does this process have pairs judged, without ever waiting for one or dying of it?

One server for each process, started with the first pair; `server` tells how it works.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

from grpoctl.symbolic import server
from grpoctl.symbolic.pairs import Pair

# Nothing takes a working server this long; one that is silent for longer has stopped.
_PATIENCE_S, _START_PATIENCE_S = 10.0, 60.0


class _Ended(Exception):
    """The server is no more, or does not answer."""


class Verifier:
    """Judges pairs in a server of its own; several threads may ask."""

    def __init__(self, judge: str = "grpoctl.symbolic.judge") -> None:
        self._judge = judge
        self._broken = ""  # why the server cannot start; asking again would not change it
        self._watched = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._owner = os.getpid()

    def judge(self, pairs: Sequence[Pair]) -> list[bool | None]:
        """Whether the two of each pair are equal; None where the gold answer cannot be read."""
        if not pairs:
            return []
        if self._owner != os.getpid():
            self._forget()  # a copy of the parent's: its pipes are not to be shared
        with self._lock:
            different = list(dict.fromkeys(pairs))
            verdicts = dict(zip(different, self._judge_all(different), strict=True))
        return [verdicts[pair] for pair in pairs]

    def close(self) -> None:
        """End the server; the next pair starts another."""
        with self._lock:
            self._stop()

    @property
    def pid(self) -> int | None:
        """The server's, where one runs."""
        return self._process.pid if self._process else None

    def _judge_all(self, pairs: list[Pair]) -> list[bool | None]:
        verdicts: dict[Pair, bool | None] = {}
        for attempt in (1, 2):
            try:
                if self._process is None:
                    self._start()
                while left := [pair for pair in pairs if pair not in verdicts]:
                    self._judge_some(left, verdicts)
                return [verdicts[pair] for pair in pairs]
            except (_Ended, BrokenPipeError) as error:
                self._stop()
                if attempt == 2:
                    raise RuntimeError("the process of math-verify was killed twice; look for what kills it") from error
            except BaseException:
                self._stop()  # it would go on with this batch while the next one waits for its own answers
                raise
        raise AssertionError("unreachable")

    def _judge_some(self, pairs: list[Pair], verdicts: dict[Pair, bool | None]) -> None:
        """As many as one worker manages, in order."""
        self._send(pairs)
        answers = self._answers(_PATIENCE_S)
        while (answer := next(answers)) != server.BEGUN:
            if answer == server.DIED:
                raise _Ended  # killed while idle, perhaps with this batch just read: nobody knows
        for pair in pairs:
            answer = next(answers)
            if answer == server.READING_GOLD:
                answer = next(answers)
                if answer == server.READ_GOLD:
                    answer = next(answers)
                elif answer == server.DIED:
                    verdicts.update((other, None) for other in pairs if other.gold == pair.gold)
                    return
            if answer == server.RENEWED:
                return
            # An answer that ends a worker is no answer.
            verdicts[pair] = None if answer == server.UNREADABLE else answer == server.RIGHT
            if answer == server.DIED:
                return

    def _send(self, pairs: list[Pair]) -> None:
        golds = {gold: number for number, gold in enumerate(dict.fromkeys(pair.gold for pair in pairs))}
        batch = [list(golds), [(golds[pair.gold], pair.said) for pair in pairs]]
        assert self._process is not None and self._process.stdin is not None
        left = memoryview(json.dumps(batch).encode() + b"\n")
        while left:
            left = left[os.write(self._process.stdin.fileno(), left) :]

    def _answers(self, patience_s: float) -> Iterator[bytes]:
        """The server's answers, byte by byte."""
        assert self._process is not None and self._process.stdout is not None
        source = self._process.stdout.fileno()
        poll = select.poll()  # select itself takes no file numbers above 1023
        poll.register(source, select.POLLIN)
        while True:
            if not poll.poll(patience_s * 1000):
                raise _Ended
            answers = os.read(source, 4096)
            if not answers:
                raise _Ended
            for place in range(len(answers)):
                yield answers[place : place + 1]

    def _start(self) -> None:
        if self._broken:
            raise RuntimeError(self._broken)
        if not self._watched:
            self._watched = True
            atexit.register(self.close)
            os.register_at_fork(after_in_child=self._forget)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grpoctl.symbolic.server", self._judge],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # a buffer would be written twice, were this process forked before it is empty
            # It finds what this process finds, and a warning is no end of it.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONWARNINGS": "ignore"},
            process_group=0,  # Ctrl-C ends it only with its parent
        )
        answers = self._answers(_START_PATIENCE_S)
        if next(answers) == server.BROKEN:
            reason = b""
            with contextlib.suppress(_Ended):
                for answer in answers:
                    reason += answer
            self._broken = reason.decode(errors="replace")
            raise RuntimeError(self._broken)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # The group, for its worker may outlive a server that was killed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _close(process)
        process.wait()

    def _forget(self) -> None:
        """Begin anew in a forked process: the server is the parent's, and another thread may have held the lock."""
        process, self._process = self._process, None
        if process is not None:
            process.returncode = 0  # not this process's to wait for
            _close(process)
        self._lock = threading.Lock()
        self._owner = os.getpid()


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


shared = Verifier()
