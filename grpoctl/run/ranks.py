"""What is each process of a run at, and which one failed first?

Each writes two small files into a hidden folder of the run: what it is at, whenever that changes, and why it ended,
where that was no good end. Processes on other machines do the same, as all of them see the folder.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grpoctl.run.directory import RunDirectory


@dataclass(frozen=True)
class Beat:
    """What a process is at: `count` is how often that changed, and grows alike in all that keep pace."""

    rank: int
    count: int
    phase: str
    step: int


@dataclass(frozen=True)
class Failure:
    """Why a process ended. One that only lost the others tells of them, not of itself."""

    rank: int | None  # None: what starts the processes
    error: str
    exit_code: int = 1
    lost_others: bool = False
    trace: str = ""
    time: float = 0.0


class Heart:
    """Writes what this process is at."""

    def __init__(self, run: RunDirectory, rank: int) -> None:
        self._file, self._rank, self._count = run.ranks / f"{rank}.beat", rank, 0

    def enter(self, phase: str, step: int = 0) -> None:
        self._count += 1
        with suppress(OSError):  # a full disk is told of where more than this is lost
            _write(self._file, asdict(Beat(self._rank, self._count, phase, step)))


def clear(run: RunDirectory) -> None:
    """Forget what an earlier start left."""
    shutil.rmtree(run.ranks, ignore_errors=True)
    run.ranks.mkdir(parents=True, exist_ok=True)


def beats(run: RunDirectory) -> list[Beat]:
    return [Beat(**fields) for fields in _read(run.ranks, "*.beat")]


def tell(run: RunDirectory, failure: Failure) -> None:
    """The first word of a process stands."""
    file = run.ranks / f"{'start' if failure.rank is None else failure.rank}.failed"
    if not file.exists():
        with suppress(OSError):
            _write(file, {**asdict(failure), "time": time.time()})


def failures(run: RunDirectory) -> list[Failure]:
    """In the order in which they came."""
    found = [Failure(**fields) for fields in _read(run.ranks, "*.failed")]
    return sorted(found, key=lambda failure: failure.time)


def cause(failed: Sequence[Failure]) -> Failure | None:
    """What ended the others; None where each that failed only lost another, which has said nothing."""
    return next((failure for failure in failed if not failure.lost_others), None)


def in_words(failure: Failure, failed: Sequence[Failure]) -> str:
    """The error, with its rank, where not all have the same."""
    alike = len(failed) > 1 and all(other.error == failure.error for other in failed)
    return failure.error if failure.rank is None or alike else f"rank {failure.rank}: {failure.error}"


def stop_asked(run: RunDirectory) -> int | None:
    """The signal that a command of this run got, on whichever machine."""
    try:
        return int(run.stop_request.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def behind(beating: Sequence[Beat]) -> list[Beat]:
    """Those that the others wait for: all of them, where nobody is ahead."""
    least = min((beat.count for beat in beating), default=0)
    return [beat for beat in beating if beat.count == least]


def _write(path: Path, fields: dict[str, Any]) -> None:
    # Replaced whole, but not forced to disk: after a power cut nobody asks.
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(fields), encoding="utf-8")
    beside.replace(path)


def _read(folder: Path, pattern: str) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob(pattern)):
        with suppress(OSError, ValueError):
            yield json.loads(path.read_text(encoding="utf-8"))
