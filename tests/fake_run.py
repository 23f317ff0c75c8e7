"""Run folders as training leaves them, without training."""

import os
from pathlib import Path
from typing import Any

from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import EVAL, STEP, EventFile, Stream
from grpoctl.run.manifest import Manifest, write_manifest
from grpoctl.run.process import start_time

Told = tuple[str, dict[str, Any]]
Process = tuple[int, int | None]

# A process of that number goes on, but it began at another time: it is not the one that trained.
GONE: Process = (os.getpid(), 1)


def this_process() -> Process:
    return os.getpid(), start_time(os.getpid())


def make_run(path: Path, *told: Told, process: Process = GONE) -> RunDirectory:
    """A run folder with a manifest, and with the events that were told."""
    path.mkdir(parents=True)
    run = RunDirectory(path)
    manifest = Manifest("recipes/quickstart.yaml", ["seed=7"], "trl", started="2026-11-24T17:50:09+00:00")
    manifest.process_id, manifest.process_started = process
    write_manifest(run, manifest)
    tell(run, *told)
    return run


def tell(run: RunDirectory, *told: Told) -> None:
    stream = Stream([EventFile(run.events)])
    for kind, fields in told:
        stream.tell(kind, **fields)


def step(number: int, **metrics: Any) -> Told:
    return STEP, {"step": number, **metrics}


def greedy(step: int, accuracy: float) -> Told:
    """An evaluation of 200 problems in which every answer was well formed."""
    scores = {"accuracy": accuracy, "format_accuracy": 1.0, "mean_length": 20.5, "truncated_share": 0.0}
    return EVAL, {"step": step, "mode": "greedy", "dataset": "tiny", "n": 200, **scores, "seconds": 1.5}
