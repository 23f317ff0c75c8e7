"""What does a run say of itself, and did two runs train the same?"""

import json
from typing import Any

import numpy as np

from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Event, lasting, read_events


def events(run: RunDirectory, kind: str) -> list[Event]:
    """All of a kind, with those that a resume undid."""
    return [event for event in read_events(run.events)[0] if event["event"] == kind]


def lasting_events(run: RunDirectory, kind: str) -> list[Event]:
    return [event for event in lasting(read_events(run.events)[0]) if event["event"] == kind]


def samples(run: RunDirectory, step: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.completions(step).read_text(encoding="utf-8").splitlines()]


def weights(run: RunDirectory) -> dict[str, Any]:
    from safetensors.numpy import load_file

    (file,) = run.path.glob("*.safetensors")
    loaded: dict[str, Any] = load_file(file)
    return loaded


def same(one: RunDirectory, other: RunDirectory) -> bool:
    """Whether both ended in the same weights, bit for bit."""
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


def resumed_from(run: RunDirectory) -> list[int]:
    return [event["step"] for event in events(run, ev.RUN_RESUMED)]


def told(run: RunDirectory) -> list[tuple[Any, ...]]:
    """What the run says of its steps, but for how long they took."""
    names = ("step", "reward", "zero_std_share", "loss", "grad_norm", "learning_rate", "completions/mean_length")
    return [tuple(step[name] for name in names) for step in lasting_events(run, ev.STEP)]


def unfinish(run: RunDirectory) -> None:
    """Take back the word that the run is finished, as if it had been killed just before."""
    lines = run.events.read_text().splitlines(keepends=True)
    assert ev.RUN_FINISHED in lines[-1]
    run.events.write_text("".join(lines[:-1]))
