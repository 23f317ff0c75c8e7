"""How does this process talk to a server of its own, without ever waiting for one that is gone?

`server` is the other side.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from grpoctl.symbolic import server
from grpoctl.symbolic.pairs import Pair

# Nothing takes a working server this long; one that is silent for longer has stopped.
_PATIENCE_S, _START_PATIENCE_S = 10.0, 60.0


class Ended(Exception):
    """The server is no more, or does not answer."""


class TimeIsUp(Exception):
    """There was no time to wait for the next answer."""


class Server:
    """A server that runs, and the two pipes to it."""

    def __init__(self, judge: str) -> None:
        """RuntimeError, with the reason, where it cannot start and never will."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grpoctl.symbolic.server", judge],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # a buffer would be written twice, were this process forked before it is empty
            # It finds what this process finds, and a warning is no end of it.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONWARNINGS": "ignore"},
            process_group=0,  # Ctrl-C ends it only with its parent
        )
        try:
            self._await_start()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def _await_start(self) -> None:
        answers = self._answers(_START_PATIENCE_S)
        if next(answers) != server.BROKEN:
            return
        reason = b""
        with contextlib.suppress(Ended):
            for answer in answers:
                reason += answer
        raise RuntimeError(reason.decode(errors="replace"))

    def ask(self, pairs: Sequence[Pair], limit_s: float, ends: float) -> Iterator[bytes]:
        """What a worker answers to the pairs, each of which may take so long; TimeIsUp at the moment `ends`."""
        golds = {gold: number for number, gold in enumerate(dict.fromkeys(pair.gold for pair in pairs))}
        batch = [limit_s, list(golds), [(golds[pair.gold], pair.said) for pair in pairs]]
        assert self._process.stdin is not None
        left = memoryview(json.dumps(batch).encode() + b"\n")
        while left:
            left = left[os.write(self._process.stdin.fileno(), left) :]
        answers = self._answers(_PATIENCE_S, ends)
        while (answer := next(answers)) != server.BEGUN:
            if answer == server.DIED:
                raise Ended  # killed while idle, perhaps with this batch just read: nobody knows
        return answers

    def _answers(self, patience_s: float, ends: float = float("inf")) -> Iterator[bytes]:
        """The server's answers, byte by byte."""
        assert self._process.stdout is not None
        source = self._process.stdout.fileno()
        poll = select.poll()  # select itself takes no file numbers above 1023
        poll.register(source, select.POLLIN)
        while True:
            left_s = ends - time.monotonic()
            if left_s <= 0:
                raise TimeIsUp
            if not poll.poll(min(patience_s, left_s) * 1000):
                raise TimeIsUp if left_s < patience_s else Ended
            answers = os.read(source, 4096)
            if not answers:
                raise Ended
            for place in range(len(answers)):
                yield answers[place : place + 1]

    def stop(self) -> None:
        # The group, for its worker may outlive a server that was killed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._close()
        self._process.wait()

    def forget(self) -> None:
        """In a forked process, whose parent the server belongs to."""
        self._process.returncode = 0  # not this process's to wait for
        self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
