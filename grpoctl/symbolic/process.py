"""How does this process have pairs judged, without ever dying of one or waiting long for many?

One server for each process, started with the first pair; `server` tells how it works. Most pairs take milliseconds, and
a hostile one all that it is given; so each has a short turn first, and those that it was too short for share what
time there is. None is wrong for want of time.
"""

import atexit
import math
import os
import threading
import time
from collections.abc import Sequence

from grpoctl.deadline import OutOfTime, left_s
from grpoctl.symbolic import server
from grpoctl.symbolic.pairs import Pair
from grpoctl.symbolic.pipe import Ended, Server, TimeIsUp

# Enough for nearly every honest pair.
_SHORT_TURN_S = 0.05
# What the others of a batch may take together.
_FOR_THE_SLOW_S = 10.0
# The rest is for whoever asks again, row by row, for the verdicts of a batch that was cut off.
_SHARE_OF_TIME = 0.9

# None where the gold answer cannot be read.
Verdict = bool | None


class Verifier:
    """Judges pairs in a server of its own; several threads may ask."""

    def __init__(self, judge: str = "grpoctl.symbolic.judge") -> None:
        self._judge = judge
        self._broken = ""  # why the server cannot start; asking again would not change it
        self._watched = False
        self._server: Server | None = None
        self._lock = threading.Lock()
        self._owner = os.getpid()
        # The verdicts of a batch that was cut off. It failed, so the same thread asks again, for one row at a time.
        self._cut_off = threading.local()

    def judge(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Whether the two of each pair are equal; OutOfTime where one of them could not be judged in time."""
        if not pairs:
            return []
        if self._owner != os.getpid():
            self._forget()  # a copy of the parent's: its pipes are not to be shared
        verdicts: dict[Pair, Verdict | OutOfTime] = getattr(self._cut_off, "verdicts", {})
        if any(pair not in verdicts for pair in pairs):
            verdicts = self._judge_different(list(dict.fromkeys(pairs)))
            is_cut_off = any(isinstance(verdict, OutOfTime) for verdict in verdicts.values())
            self._cut_off.verdicts = verdicts if is_cut_off else {}
        found: list[Verdict] = []
        for pair in pairs:
            verdict = verdicts[pair]
            if isinstance(verdict, OutOfTime):
                raise OutOfTime(str(verdict))
            found.append(verdict)
        return found

    def close(self) -> None:
        """End the server; the next pair starts another."""
        with self._lock:
            self._stop()

    @property
    def pid(self) -> int | None:
        """The server's, where one runs."""
        return self._server.pid if self._server else None

    def _judge_different(self, pairs: list[Pair]) -> dict[Pair, Verdict | OutOfTime]:
        verdicts: dict[Pair, Verdict] = {}
        lock, left = self._lock, left_s()
        if not lock.acquire(timeout=-1 if math.isinf(left) else max(0.0, left)):
            return dict.fromkeys(pairs, OutOfTime("was not judged, as math-verify has another batch in hand"))
        try:
            self._judge_all(pairs, verdicts)
        finally:
            lock.release()
        late = OutOfTime("was not judged in time, as others of the batch are hard for math-verify")
        return {pair: verdicts.get(pair, late) for pair in pairs}

    def _judge_all(self, pairs: list[Pair], verdicts: dict[Pair, Verdict]) -> None:
        """As many as there is time for."""
        for attempt in (1, 2):
            try:
                self._judge_in_turns(pairs, verdicts)
                return
            except TimeIsUp:
                self._stop()  # it is at work on a pair that nobody waits for
                return
            except (Ended, BrokenPipeError) as error:
                self._stop()
                if attempt == 2:
                    raise RuntimeError("the process of math-verify was killed twice; look for what kills it") from error
            except BaseException:
                self._stop()  # it would go on with this batch while the next one waits for its own answers
                raise

    def _judge_in_turns(self, pairs: list[Pair], verdicts: dict[Pair, Verdict]) -> None:
        running = self._started()
        ends = time.monotonic() + _SHARE_OF_TIME * left_s()
        if len(pairs) * server.TIME_LIMIT_S > _FOR_THE_SLOW_S:
            slow: set[Pair] = set()
            pairs = sorted(pairs, key=_size)
            while left := [pair for pair in pairs if pair not in verdicts and pair not in slow]:
                slow.update(_judge_some(running, left, _SHORT_TURN_S, ends, verdicts))
            ends = min(ends, time.monotonic() + _FOR_THE_SLOW_S)
        while left := [pair for pair in pairs if pair not in verdicts]:
            verdicts.update(_judge_some(running, left, server.TIME_LIMIT_S, ends, verdicts))

    def _started(self) -> Server:
        if self._broken:
            raise RuntimeError(self._broken)
        if not self._watched:
            self._watched = True
            atexit.register(self.close)
            os.register_at_fork(after_in_child=self._forget)
        if self._server is None:
            try:
                self._server = Server(self._judge)
            except RuntimeError as error:
                self._broken = str(error)
                raise
        return self._server

    def _stop(self) -> None:
        running, self._server = self._server, None
        if running is not None:
            running.stop()

    def _forget(self) -> None:
        """Begin anew in a forked process: the server is the parent's, and another thread may have held the lock."""
        running, self._server = self._server, None
        if running is not None:
            running.forget()
        self._lock = threading.Lock()
        self._owner = os.getpid()


def _judge_some(
    running: Server, pairs: list[Pair], limit_s: float, ends: float, verdicts: dict[Pair, Verdict]
) -> dict[Pair, Verdict]:
    """As many as one worker manages, in order. The verdict on what ended it, which holds where it had all its time."""
    answers = running.ask(pairs, limit_s, ends)
    for pair in pairs:
        answer = next(answers)
        if answer == server.READING_GOLD:
            answer = next(answers)
            if answer == server.READ_GOLD:
                answer = next(answers)
            elif answer == server.DIED:
                return {other: None for other in pairs if other.gold == pair.gold}
        if answer == server.RENEWED:
            return {}
        if answer == server.DIED:
            return {pair: False}  # an answer that ends a worker is no answer
        verdicts[pair] = None if answer == server.UNREADABLE else answer == server.RIGHT
    return {}


def _size(pair: Pair) -> int:
    return len(str(pair.said))


shared = Verifier()
