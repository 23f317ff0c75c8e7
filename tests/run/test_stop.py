"""The first signal asks, the second ends the process: each tried on a child."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from grpoctl.run.stop import StopRequest

CHILD = """
import logging, sys, time
from grpoctl.run.stop import StopRequest

def at_once():
    print("at once", flush=True)
    {at_once}

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
stop = StopRequest(at_once)
latest = time.monotonic() + 30  # a parent that hangs is left alone by then
with stop.listening():
    print("listening", flush=True)
    while stop() is None and time.monotonic() < latest:
        time.sleep(0.01)
    print("asked for", stop(), flush=True)
    while {goes_on} and time.monotonic() < latest:
        time.sleep(0.01)
print("the end", flush=True)
"""

Child = subprocess.Popen[str]


@contextmanager
def child(*, goes_on: bool = True, at_once: str = "") -> Iterator[Child]:
    """A process that listens, is asked to stop, and then goes on or ends."""
    program = CHILD.format(goes_on=goes_on, at_once=at_once)
    with subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert line(process) == "listening"
            yield process
        finally:
            process.kill()


def line(process: Child) -> str:
    """The next line that it prints; empty when it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


BOTH = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize(("number", "again"), [(signal.SIGTERM, "a second signal"), (signal.SIGINT, "Ctrl-C again")])
def test_the_first_signal_only_asks(number: signal.Signals, again: str) -> None:
    with child(goes_on=False) as process:
        process.send_signal(number)
        assert line(process) == f"Stopping behind this step, with a checkpoint; {again} ends at once."
        assert line(process) == f"asked for {number.value}"
        assert line(process) == "the end"
        assert process.wait(10) == 0


@pytest.mark.parametrize("second", BOTH)
@pytest.mark.parametrize("first", BOTH)
def test_the_second_signal_ends_the_process_by_that_signal(first: signal.Signals, second: signal.Signals) -> None:
    with child() as process:
        process.send_signal(first)
        assert line(process).startswith("Stopping")
        assert line(process) == f"asked for {first.value}"
        process.send_signal(second)
        assert line(process) == "at once"
        assert line(process) == ""
        assert process.wait(10) == -second


def test_the_second_signal_ends_the_process_even_where_tidying_up_fails() -> None:
    with child(at_once="raise OSError('no such process')") as process:
        process.send_signal(signal.SIGTERM)
        assert line(process).startswith("Stopping")
        assert line(process).startswith("asked")
        process.send_signal(signal.SIGTERM)
        assert line(process) == "at once"
        assert process.wait(10) == -signal.SIGTERM


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in BOTH]


def test_the_handlers_are_as_before_behind_the_block() -> None:
    before = handlers()
    with StopRequest().listening():
        assert all(now != then for now, then in zip(handlers(), before, strict=True))
    assert handlers() == before


def test_the_handlers_are_as_before_behind_a_block_that_fails() -> None:
    before = handlers()
    with pytest.raises(ValueError), StopRequest().listening():
        raise ValueError
    assert handlers() == before


def test_nobody_has_asked_at_first() -> None:
    assert StopRequest()() is None
