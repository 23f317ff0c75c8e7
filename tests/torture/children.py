"""Commands in children that are forked from here, where everything is loaded, so that each starts at once."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from grpoctl import cli


def start(words: Sequence[str], said: Path | None = None) -> int:
    """A command in a forked child; its number. What it says goes into the file, or nowhere."""
    pid = os.fork()
    if pid:
        return pid
    try:
        output = os.open(said or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if said is not None:  # pytest has put others in their place
            import sys

            sys.stdout = sys.stderr = said.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")
        os._exit(cli.main(list(words)))
    finally:
        os._exit(99)


def ended(pid: int, within_s: float) -> int | None:
    """The exit code, or None where it still goes on by then."""
    latest = time.monotonic() + within_s
    while time.monotonic() < latest:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None
