"""By when has the work of this thread to be done?

Whoever waits no longer than that says so in the thread that works; what works in parts there keeps to it.
"""

import math
import time
from contextvars import ContextVar

_ENDS = ContextVar("ends", default=math.inf)


class OutOfTime(Exception):
    """There was no time left for this part of the work. It may also stand in place of its result."""


def set_deadline(ends: float) -> None:
    """Nobody waits for what this thread does behind that moment of time.monotonic()."""
    _ENDS.set(ends)


def left_s() -> float:
    """The seconds that are left; none or less where nobody waits any more, and inf without a deadline."""
    return _ENDS.get() - time.monotonic()
