"""What does a person hear who stops a run: what it will still do, and at the end what is kept?"""

from grpoctl.run import checkpoints
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import STEP, read_events


class StopWords:
    """Of one start of a run: what it wrote from here on."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._begin = run.events.stat().st_size if run.events.is_file() else 0

    def asked(self) -> str:
        if self._step() is None:
            return "Stopping before the first step, or behind it, with a checkpoint, where it has begun"
        return "Stopping behind this step, with a checkpoint"

    def ended(self) -> str:
        step, kept = self._step(), checkpoints.steps_of(self._run)
        again = f"grpoctl train --resume {self._run.name}"
        if step is None:
            said = f"checkpoint-{kept[-1]} stands as it did" if kept else "there was nothing to keep yet"
            return f"ended at once, before a step was told of; {said}. Go on: {again}"
        if not kept:
            return f"ended at once at step {step}, before the first checkpoint; start again: {again}"
        lost = f", and what came behind it is lost, to step {step}" if kept[-1] < step else ""
        return f"ended at once; checkpoint-{kept[-1]} is kept{lost}. Go on: {again}"

    def _step(self) -> int | None:
        """The last step that this start has told of."""
        steps = [event.get("step") for event in read_events(self._run.events, self._begin)[0] if event["event"] == STEP]
        return steps[-1] if steps else None
