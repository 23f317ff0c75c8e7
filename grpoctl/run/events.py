"""What happened in a run, in order: the one event stream, its writer and its reader.

An event is one JSON object a line, flushed as it is written: `event` names it, `time` is in seconds since 1970, and the
rest depends on the kind. Readers live with a line that was cut short or never was JSON.
"""

import json
import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from grpoctl.errors import GrpoctlError
from grpoctl.secret_values import without_secrets

Event = dict[str, Any]

RUN_STARTED, RUN_RESUMED = "run_started", "run_resumed"
STEP, SAMPLES, EVAL, CHECKPOINT, ADVICE = (
    "step_logged",
    "samples_logged",
    "eval_finished",
    "checkpoint_saved",
    "advice",
)
RUN_FINISHED, RUN_FAILED, RUN_STOPPED = "run_finished", "run_failed", "run_stopped"
ENDS = (RUN_FINISHED, RUN_FAILED, RUN_STOPPED)

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Who listens to a run."""

    def hear(self, event: Event) -> None: ...

    def close(self) -> None: ...


class Stream:
    """Tells every sink each event. A sink that fails is told no more, and the run goes on, unless its folder is gone.

    The file of events is tried again each time.
    """

    def __init__(self, sinks: Iterable[Sink] = ()) -> None:
        self.sinks = list(sinks)
        self._told_of_file = False

    def tell(self, kind: str, /, **fields: Any) -> None:
        event = {
            "event": kind,
            "time": round(time.time(), 3),
            **{name: _finite(value) for name, value in fields.items()},
        }
        for sink in list(self.sinks):
            try:
                sink.hear(event)
            except Exception as error:
                self._forgive(sink, error)

    def _forgive(self, sink: Sink, error: Exception) -> None:
        if not isinstance(sink, EventFile):
            self.sinks.remove(sink)
            _log.warning("%s fails (%s); the run goes on without it.", type(sink).__name__, error)
        elif sink.lost_its_folder:
            raise gone(sink.path.parent) from error
        elif not self._told_of_file:  # the run's memory: it is tried again with each event, and told of once
            self._told_of_file = True
            _log.warning("events.jsonl cannot be written (%s); the run goes on, and they are lost.", error)

    def close(self) -> None:
        for sink in self.sinks:
            try:
                sink.close()
            except Exception as error:
                _log.warning("%s fails at its end (%s).", type(sink).__name__, error)


def gone(folder: Path) -> GrpoctlError:
    """What ends a run whose folder is no more: nothing that it still learns could be kept."""
    return GrpoctlError(f"{folder}: was deleted while its run went on, so the run ends; start it again.")


class EventFile:
    """The stream as a file."""

    def __init__(self, path: Path) -> None:
        self.path, self._had_its_folder = path, path.parent.is_dir()
        self._cut = _ends_within_a_line(path)

    def hear(self, event: Event) -> None:
        line = without_secrets(json.dumps(event, ensure_ascii=False, allow_nan=False)) + "\n"
        text = f"\n{line}" if self._cut else line
        self._cut = True  # until the whole line is there
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(text)
        self._cut = False

    @property
    def lost_its_folder(self) -> bool:
        return self._had_its_folder and not self.path.parent.is_dir()

    def close(self) -> None:
        """Nothing is kept open between two events."""


def _ends_within_a_line(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            stream.seek(-1, 2)
            return stream.read(1) != b"\n"
    except OSError:  # no file yet, or an empty one
        return False


def read_events(path: Path, offset: int = 0) -> tuple[list[Event], int]:
    """The events behind a byte offset and the offset behind them; a last line without its end is left for next time."""
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read()
    except OSError:
        return [], offset
    end = data.rfind(b"\n") + 1
    return list(_parse(data[:end])), offset + end


def _parse(data: bytes) -> Iterator[Event]:
    for line in data.split(b"\n"):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            yield event


def lasting(events: Sequence[Event]) -> list[Event]:
    """The events without those that a resume undid: what came behind the checkpoint that it went on from.

    A finished run whose resume failed before anything came of it is finished as before.
    """
    kept: list[Event] = []
    before: list[Event] = []
    for event in events:
        if event["event"] == RUN_FAILED and _ends_with(kept, RUN_RESUMED) and _ends_with(before, RUN_FINISHED):
            kept = before
            continue
        if event["event"] == RUN_RESUMED:
            before, step = kept, event.get("step", 0)
            # Without a checkpoint the run starts again, and its first evaluation comes again too.
            kept = [old for old in kept if 0 < step >= old.get("step", 0) and old["event"] not in ENDS]
        kept.append(event)
    return kept


def _ends_with(events: Sequence[Event], kind: str) -> bool:
    return bool(events) and events[-1]["event"] == kind


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity; what is not a number is null there."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
