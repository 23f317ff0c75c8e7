"""How is a program run that may do anything? In a process of its own, locked in, watched until it ends or is ended.

The process has no environment and no network, starts no other and changes no file, so it needs no folder that would
have to be removed. With Landlock (Linux 5.13, where it is switched on) it reads no files but those of Python. Without,
it can read what this user may read, the environment of the training process among it, though it has nowhere to send
it; a warning says so once.
"""

import logging
import marshal
import math
import os
import selectors
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from grpoctl.errors import GrpoctlError
from grpoctl.sandbox import runner, seccomp

_log = logging.getLogger(__name__)

How = Literal["tests", "input", "compile"]

# Python starts in 15 ms; a process that is not ready by now tells of the machine and not of the program.
_START_S = 10.0

# A pipe takes and gives no more at once.
_CHUNK = 1 << 16


class SandboxError(GrpoctlError, RuntimeError):
    """The sandbox cannot be had, so no program was run."""


class Clock:
    """The time of one completion, which begins when its first process is ready and holds for all of them."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.end: float | None = None

    def begin(self) -> None:
        if self.end is None:
            self.end = time.monotonic() + self.timeout_s

    @property
    def is_over(self) -> bool:
        return self.end is not None and time.monotonic() >= self.end


@dataclass(frozen=True)
class Job:
    """What a process is sent."""

    how: How
    source: str
    memory_mib: int
    most: int  # bytes; no more of what it says is read
    tests: Sequence[str] = ()
    secrets: Sequence[bytes] = ()  # of each step: the program, then its tests
    stdin: bytes = b""


@dataclass(frozen=True)
class Ended:
    """What a process printed (with "input") or told (else), and whether it ended by itself and well."""

    said: bytes
    well: bool


def run(job: Job, clock: Clock) -> Ended:
    """Runs one process to its end, and leaves nothing of it behind."""
    architecture = seccomp.machine()
    if sys.platform != "linux" or architecture is None or not sys.executable:
        raise SandboxError("code is run only where seccomp can lock it in: use Linux on x86_64 or aarch64.")
    command = [sys.executable, "-P", "-s", "-S", "-B", "-X", "utf8", str(Path(runner.__file__))]
    with subprocess.Popen(
        command, cwd="/", env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        bufsize=0, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            message = _message(job, seccomp.filter_for(process.pid, architecture), clock.timeout_s)
            said, closed = _talk(process, message, 1 + job.most, clock)
            _check_start(process, said, closed, clock)
            return Ended(said[1:], well=closed and _exits_well(process, clock))
        finally:
            process.kill()  # it can have no children


def _environment() -> dict[str, str]:
    # A fixed hash seed lets a score repeat. More than one arena would count 64 MiB of the memory for each thread.
    fixed = {"PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "1"}
    libraries = os.environ.get("LD_LIBRARY_PATH")
    return {**fixed, "LD_LIBRARY_PATH": libraries} if libraries else fixed


def _message(job: Job, filter_code: bytes, timeout_s: float) -> bytes:
    """What the runner reads first, and behind it the standard input of the program."""
    import resource  # which Windows lacks

    limits = {
        resource.RLIMIT_AS: job.memory_mib << 20,
        resource.RLIMIT_CPU: math.ceil(timeout_s) + 1,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        highest = resource.getrlimit(limit)[1]  # which nobody but root may exceed
        limits[limit] = value if highest == resource.RLIM_INFINITY else min(value, highest)
    parts = (job.how, list(limits.items()), _readable(), filter_code, job.source, list(job.tests), list(job.secrets))
    sent: bytes = marshal.dumps(parts)
    return len(sent).to_bytes(8, "little") + sent + job.stdin


@cache
def _readable() -> list[str]:
    """What imports need: the standard library, and the shared libraries that some of its modules load."""
    ours = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), f"{sys.base_prefix}/lib"]
    system = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/usr/share/zoneinfo"]
    added = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return [path for path in (*ours, *system, *added, "/dev/null", "/dev/urandom") if path.startswith("/")]


def _talk(process: subprocess.Popen[bytes], message: bytes, most: int, clock: Clock) -> tuple[bytes, bool]:
    """What it says until it closes its output, says too much or has no time left; and whether it was the first."""
    assert process.stdin is not None and process.stdout is not None
    unsent, said = memoryview(message), bytearray()
    latest_start = time.monotonic() + _START_S
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.PollSelector() as selector:
        selector.register(process.stdin, selectors.EVENT_WRITE)
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(said) < most and (left := (clock.end or latest_start) - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.fileobj is process.stdin:
                    unsent = unsent[_send(process.stdin.fileno(), unsent) :]
                    if not unsent:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                    continue
                part = os.read(process.stdout.fileno(), _CHUNK)
                if not part:
                    return bytes(said), True
                clock.begin()  # the first part is that it is ready
                said += part
    return bytes(said), False


def _send(pipe: int, unsent: memoryview) -> int:
    """How much of it need not be sent again: all of it, where the program reads no more."""
    try:
        return os.write(pipe, unsent[:_CHUNK])
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return len(unsent)


def _check_start(process: subprocess.Popen[bytes], said: bytes, closed: bool, clock: Clock) -> None:
    """SandboxError where no program was run. The first byte is sent before one is, so no program can cause this."""
    first = said[:1]
    if first == runner.REFUSED:
        raise SandboxError(f"this kernel cannot lock code in ({said[1:].decode()}); use one with seccomp.")
    if first == runner.READABLE:
        _tell_of_reading()
    if not first and closed:
        raise SandboxError(f"the sandbox ended before it was ready (exit code {process.wait()}); raise memory_mib.")
    if not first and clock.end is None:
        raise SandboxError(f"the sandbox was not ready after {_START_S:g} s; give the machine less to do.")


@cache
def _tell_of_reading() -> None:
    _log.warning("this kernel has no Landlock: code that is run can read this user's files, though send them nowhere.")


def _exits_well(process: subprocess.Popen[bytes], clock: Clock) -> bool:
    with suppress(subprocess.TimeoutExpired):
        return process.wait(max((clock.end or 0) - time.monotonic(), 0)) == 0
    return False
