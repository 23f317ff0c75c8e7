"""How does each run stand right now, those included that were started a moment ago and have no folder yet?"""

from dataclasses import dataclass

from grpoctl.run.directory import RunDirectory
from grpoctl.run.view import RunView, is_alive, view_of
from webui import processes
from webui.live import LiveRun, live_run
from webui.newest import manifest_of, newest_runs
from webui.processes import Started

GOING_ON = ("queued", "running")
_SPEED_OVER = 20  # steps


@dataclass(frozen=True)
class Standing:
    """One row of the table. A run without a folder yet has no directory."""

    view: RunView
    directory: RunDirectory | None = None
    live: LiveRun | None = None
    started: Started | None = None  # the newest training that this page started of it

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def goes_on(self) -> bool:
        return self.view.status in GOING_ON

    @property
    def is_damaged(self) -> bool:
        """Whether its manifest cannot be read, so that nobody knows of its process."""
        return self.directory is not None and not self.view.manifest

    @property
    def step_s(self) -> float | None:
        """Seconds a step of late, evaluations and checkpoints included."""
        if self.live is None:
            return None
        times, steps = self.live.times[-_SPEED_OVER:], self.live.steps[-_SPEED_OVER:]
        made = steps[-1] - steps[0] if len(steps) > 1 else 0
        return (times[-1] - times[0]) / made if made > 0 and times[-1] > times[0] else None

    @property
    def left_s(self) -> float | None:
        per_step, whole = self.step_s, self.view.max_steps
        if not self.goes_on or per_step is None or not whole:
            return None
        return max(0.0, (whole - self.view.step) * per_step)

    @property
    def share(self) -> float:
        whole = self.view.max_steps
        return min(1.0, self.view.step / whole) if whole else 0.0

    @property
    def accuracy(self) -> float | None:
        """Of the newest greedy evaluation; that before training says nothing of a run that has learned since."""
        done = [
            each
            for each in self.view.evals
            if each.get("mode") == "greedy" and (each.get("step") or not self.view.step)
        ]
        found = [each.get("accuracy") for each in done]
        return found[-1] if found and isinstance(found[-1], int | float) else None


def standing_of(run: RunDirectory, trainings: dict[str, Started] | None = None) -> Standing:
    """From the run's folder; only what was added to it since the last time is read."""
    manifest = manifest_of(run)
    alive = is_alive(manifest)
    live = live_run(run)
    events = sorted([*live.others, *([live.last] if live.last else [])], key=lambda event: event.get("time") or 0.0)
    view = view_of(run.name, manifest, alive, events)
    return Standing(view, run, live, (trainings or _trainings()).get(run.name))


def all_standing(most: int) -> tuple[list[Standing], int]:
    """The newest so many runs, and how many there are."""
    trainings = _trainings()
    runs = newest_runs()
    here = {run.name for run in runs}
    starting = [_without_folder(started) for name, started in trainings.items() if name not in here]
    return starting + [standing_of(run, trainings) for run in runs[:most]], len(runs) + len(starting)


def find_standing(name: str) -> Standing | None:
    run = next((run for run in newest_runs() if run.name == name), None)
    trainings = _trainings()
    if run is not None:
        return standing_of(run, trainings)
    return _without_folder(trainings[name]) if name in trainings else None


def _trainings() -> dict[str, Started]:
    """The newest training that was started here of each run."""
    found: dict[str, Started] = {}
    for started in processes.all_started():
        if started.words[:1] == ["train"]:
            found.setdefault(started.about, started)
    return found


def _without_folder(started: Started) -> Standing:
    status = "queued" if started.is_running else "failed"
    lines = [line for line in started.said.splitlines() if line.strip()]
    if started.killed_by is not None:
        lines.append(f"it was ended by {started.killed_by}: killed, or out of memory")
    error = None if status == "queued" else "\n".join(lines[-5:]) or "it ended without a word"
    return Standing(RunView(started.about, status, error=error), started=started)
