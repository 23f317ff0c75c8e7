"""Who tells of a reward that takes the whole process with it, and ends one that never lets Python go?

A function of the user's own runs in the training process. Where it ends that (os._exit), crashes it, holds it (a
regular expression that runs away) or eats its memory, nobody in it can say so any more. So a small process beside it is
told when a call begins and ends, and says which reward it was: in a line, and as the run's last event.
"""

import atexit
import contextlib
import itertools
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from grpoctl.run.process import is_running, start_time

# So long after its time a call that lets Python go has been given up by the process itself.
_GRACE_S = 5.0

# A reward that grew by so much is ended where the machine has so small a share of its memory left.
_GROWN_MIB, _LEAST_SHARE = 1024.0, 0.03

_POLL_S = 0.25


class Witness:
    """The process beside this one, as this one sees it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grpoctl.rewards.witness", str(os.getpid()), str(_GROWN_MIB), str(_LEAST_SHARE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            bufsize=0,
            # It finds what this process finds, and Ctrl-C is not meant for it.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )

    def tell(self, *words: object) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # killed, and what it would have told is not worth a run
            self._process.stdin.write(json.dumps(words).encode() + b"\n")

    def close(self) -> None:
        self.tell("bye")
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


_numbers = itertools.count()
_witnesses: dict[int, Witness] = {}  # by process: a forked one has its own
_runs: list[Path] = []  # the run that goes on


def _witness() -> Witness:
    found = _witnesses.get(os.getpid())
    if found is None:
        found = _witnesses[os.getpid()] = Witness()
        atexit.register(_close, os.getpid())
    return found


def _close(process: int) -> None:
    if process == os.getpid():
        _witnesses.pop(process).close()


@contextlib.contextmanager
def of_run(folder: Path) -> Iterator[None]:
    """What is told while the block runs is told of this run."""
    _runs.append(folder)
    try:
        yield
    finally:
        _runs.pop()


class Call:
    """One call of a reward, from here until it ends or is given up."""

    def __init__(self, reward: str, count: int, timeout_s: float) -> None:
        self._number = next(_numbers)
        run = str(_runs[-1]) if _runs else None
        _witness().tell("begin", self._number, reward, count, timeout_s, run)

    def end(self) -> None:
        _witness().tell("end", self._number)


# --- the process beside


def watch(process: int, grown_mib: float, least_share: float) -> None:
    """Read what the process tells until it is done or gone."""
    started = start_time(process)
    calls: dict[int, tuple[str, int, float, str | None]] = {}
    until: dict[int, float] = {}
    grown: dict[str, float] = {}
    before: dict[int, float] = {}
    read = b""
    while True:
        ready, _, _ = select.select([0], [], [], _POLL_S if calls else None)
        part = os.read(0, 1 << 16) if ready else b""
        if ready and not part:
            break
        *lines, read = (read + part).split(b"\n")
        for line in lines:
            kind, *words = json.loads(line)
            if kind == "bye":
                return
            if kind == "begin":
                number, reward, count, timeout_s, run = words
                calls[number], until[number] = (reward, count, timeout_s, run), time.monotonic() + timeout_s + _GRACE_S
                before[number] = _resident_mib(process)
            elif words[0] in calls:
                reward = calls.pop(words[0])[0]
                grown[reward] = grown.get(reward, 0.0) + _resident_mib(process) - before.pop(words[0])
        for number, (reward, count, timeout_s, run) in calls.items():
            more = grown.get(reward, 0.0) + _resident_mib(process) - before[number]
            problem = None
            if time.monotonic() > until[number]:
                problem = f"has held the whole process for more than {timeout_s:g} s over {_some(count)}"
                problem += " (reward_timeout_s), as a regular expression that runs away does"
            elif more > grown_mib and _is_short_of_memory(least_share):
                problem = f"has grown the process by {more:,.0f} MiB, and the machine has no more"
            if problem is not None and is_running(process, started):
                _tell(reward, f"{problem}, so the run was ended", run)
                os.kill(process, 9)
                return
    # Gone without a word, and in the middle of a call.
    for reward, count, _, run in list(calls.values())[:1]:
        _tell(reward, f"the process was gone while it scored {_some(count)}: ended, crashed or killed", run)


def _some(count: int) -> str:
    return f"{count} completion{'s' * (count != 1)}"


def _tell(reward: str, problem: str, run: str | None) -> None:
    from grpoctl.run import events as ev
    from grpoctl.run import ranks
    from grpoctl.run.directory import RunDirectory
    from grpoctl.run.view import view_run

    again = "mend it"
    if run is not None:
        directory = RunDirectory(Path(run))
        again = f"mend it, then go on: grpoctl train --resume {directory.name}"
    said = f"reward {reward}: {problem}; {again}."
    print(said, file=sys.stderr, flush=True)
    if run is None:
        return
    with contextlib.suppress(OSError):
        if "RANK" in os.environ:  # one of several processes, of whose ends their launcher tells
            ranks.tell(directory, ranks.Failure(int(os.environ["RANK"]), said))
        else:
            stream = ev.Stream([ev.EventFile(directory.events)])
            stream.tell(ev.RUN_FAILED, step=view_run(directory).step, error=said)


def _resident_mib(process: int) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _is_short_of_memory(least_share: float) -> bool:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return sizes["MemAvailable"] < least_share * sizes["MemTotal"]
    except (OSError, ValueError, IndexError, KeyError):  # no Linux
        return False


if __name__ == "__main__":
    watch(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
