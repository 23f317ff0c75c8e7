"""Was the run asked to stop? The first signal asks, the second ends the process at once."""

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from grpoctl.run.stop_words import StopWords

_log = logging.getLogger(__name__)


class StopRequest:
    """Holds the signal that came, for whoever can stop at a good place."""

    signal: int | None = None

    def __init__(self, at_once: Callable[[], None] = lambda: None, words: StopWords | None = None) -> None:
        """`at_once` is called where a second signal comes, before the process ends; `words` say what becomes of it."""
        self._at_once, self._words = at_once, words

    def __call__(self) -> int | None:
        return self.signal

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as requests while the block runs."""
        before = {number: signal.signal(number, self._take) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            try:
                self._at_once()
                if self._words is not None:
                    _log.warning("%s", self._words.ended())
            finally:  # whatever came of that
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
        self.signal = number
        again = "Ctrl-C again" if number == signal.SIGINT else "a second signal"
        asked = "Stopping behind this step, with a checkpoint" if self._words is None else self._words.asked()
        _log.info("%s; %s ends at once.", asked, again)
