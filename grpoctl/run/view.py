"""How does a run stand: its status, its step, its newest metrics, its evals? Read from its folder alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Event, lasting, read_events
from grpoctl.run.manifest import read_manifest
from grpoctl.run.process import is_running

_STATUS_OF_END = {ev.RUN_FINISHED: "finished", ev.RUN_FAILED: "failed", ev.RUN_STOPPED: "stopped"}


@dataclass
class RunView:
    """A run as people and scripts see it."""

    name: str
    status: str
    step: int = 0
    max_steps: int | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    evals: list[Event] = field(default_factory=list)
    advice: list[Event] = field(default_factory=list)
    error: str | None = None
    checkpoint: int | None = None
    manifest: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "run": self.name,
            "status": self.status,
            "step": self.step,
            "max_steps": self.max_steps,
            "metrics": self.metrics,
            "evals": self.evals,
            "advice": self.advice,
            "error": self.error,
            "checkpoint": self.checkpoint,
            "started": self.manifest.get("started"),
            "engine": self.manifest.get("engine"),
            "process_id": self.manifest.get("process_id"),
        }


def view_run(run: RunDirectory) -> RunView:
    """The state of a run from its events and its process."""
    manifest = read_manifest(run)
    # Asked before the events are read: a run that ends in between has said so by then, and is not dead.
    alive = is_alive(manifest)
    return view_of(run.name, manifest, alive, lasting(read_events(run.events)[0]))


def view_of(name: str, manifest: dict[str, Any], alive: bool, events: Iterable[Event]) -> RunView:
    """The same from the events that lasted, whoever has read them."""
    view = RunView(name, "queued", manifest=manifest)
    for event in events:
        _take_in(view, event)
    if view.status in ("queued", "running") and not alive:
        view.status = "dead"
    return view


def is_alive(manifest: dict[str, Any]) -> bool:
    """Whether the process that a manifest names is there."""
    return is_running(_whole_number(manifest.get("process_id")), manifest.get("process_started"))


def _take_in(view: RunView, event: Event) -> None:
    kind = event["event"]
    if kind in (ev.RUN_STARTED, ev.RUN_RESUMED):
        view.status, view.error = "running", None
        view.max_steps = event.get("max_steps", view.max_steps)
        view.step = event.get("step", view.step)
    elif kind == ev.STEP:
        view.step = event.get("step", view.step)
        view.metrics = {name: value for name, value in event.items() if name not in ("event", "time", "step")}
    elif kind == ev.EVAL:
        view.evals.append({name: value for name, value in event.items() if name != "event"})
        view.evals.sort(key=lambda done: done.get("step") or 0)  # the model before training may be evaluated at the end
    elif kind == ev.ADVICE:
        view.advice.append({name: event.get(name) for name in ("step", "kind", "text")})
    elif kind == ev.CHECKPOINT:
        view.checkpoint = event.get("step")
    elif kind in _STATUS_OF_END:
        view.status = _STATUS_OF_END[kind]
        view.step = event.get("step", view.step)
        view.error = event.get("error")


def _whole_number(value: object) -> int:
    """A process number of a damaged manifest is nobody's."""
    return value if isinstance(value, int) else 0
