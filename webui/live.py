"""What has a run logged so far? Each events file is read once, and from then on only what was added to it."""

import math
import threading
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Event, read_events

_NOT_METRICS = ("event", "time", "step", "max_steps")


@dataclass
class LiveRun:
    """A run's events, the steps as columns of numbers, which take a tenth of what the events themselves would."""

    path: Path
    steps: "array[float]" = field(default_factory=lambda: array("d"))
    times: "array[float]" = field(default_factory=lambda: array("d"))
    columns: "dict[str, array[float]]" = field(default_factory=dict)
    others: list[Event] = field(default_factory=list)  # everything but steps and samples, in order
    last: Event = field(default_factory=dict)  # the newest step, whole
    max_steps: int | None = None
    started: float | None = None  # when the process that runs it now began
    resumed_at: int = 0  # and at which step
    _offset: int = 0
    _file: tuple[int, int] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def column(self, name: str) -> Sequence[float]:
        """A metric over the steps, NaN where it has no number."""
        return self.columns.get(name, ())

    def read(self) -> "LiveRun":
        """Take in what was added; a file that is shorter than before, or another, is read anew."""
        with self._lock:
            try:
                stat = self.path.stat()
            except OSError:
                return self
            file = (stat.st_dev, stat.st_ino)
            if file != self._file or stat.st_size < self._offset:
                self._forget()
                self._file = file
            if stat.st_size > self._offset:
                events, self._offset = read_events(self.path, self._offset)
                for event in events:
                    self._take_in(event)
        return self

    def _forget(self) -> None:
        self.steps, self.times, self.columns, self.others = array("d"), array("d"), {}, []
        self.last, self.max_steps, self.started, self._offset = {}, None, None, 0

    def _take_in(self, event: Event) -> None:
        kind = event["event"]
        if kind == ev.STEP:
            self._add_step(event)
            return
        if kind == ev.SAMPLES:  # the files themselves say as much
            return
        if kind in (ev.RUN_STARTED, ev.RUN_RESUMED):
            self.max_steps = _whole(event.get("max_steps")) or self.max_steps
            self.started, self.resumed_at = _number(event.get("time")), _whole(event.get("step")) or 0
            if kind == ev.RUN_RESUMED:
                self._undo_behind(self.resumed_at)
        self.others.append(event)

    def _add_step(self, event: Event) -> None:
        self.last = event
        self.max_steps = _whole(event.get("max_steps")) or self.max_steps
        count = len(self.steps)
        self.steps.append(_number(event.get("step")))
        self.times.append(_number(event.get("time")))
        for name, value in event.items():
            if name not in _NOT_METRICS and (value is None or isinstance(value, int | float)):
                column = self.columns.get(name)
                if column is None:
                    column = self.columns[name] = array("d", [math.nan]) * count
                column.append(_number(value))
        for column in self.columns.values():
            if len(column) <= count:
                column.append(math.nan)

    def _undo_behind(self, step: int) -> None:
        """What came behind the checkpoint that a resume went on from did not happen."""
        kept = sum(1 for each in self.steps if each <= step) if step > 0 else 0
        for column in (self.steps, self.times, *self.columns.values()):
            del column[kept:]
        self.others = [old for old in self.others if 0 < step >= old.get("step", 0) and old["event"] not in ev.ENDS]
        self.last = (
            {}
            if not kept
            else {"event": ev.STEP, "time": self.times[-1], "step": int(self.steps[-1]), **self._newest()}
        )

    def _newest(self) -> dict[str, float | None]:
        return {name: None if math.isnan(column[-1]) else column[-1] for name, column in self.columns.items()}

    def of_kind(self, kind: str) -> list[Event]:
        return [event for event in self.others if event["event"] == kind]


_runs: dict[Path, LiveRun] = {}


def live_run(run: RunDirectory) -> LiveRun:
    """The run as it stands at this moment."""
    found = _runs.get(run.events)
    if found is None:
        found = _runs.setdefault(run.events, LiveRun(run.events))
    return found.read()


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
