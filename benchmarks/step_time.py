"""How long does a step take beside a plain TRL script's, on the very same completions?

    python benchmarks/step_time.py [--threads 1 2] [--full] [--rounds 5]

Completions are drawn once from the tiny model and then replayed to both: each draws as it always does, and what it drew
is replaced by what was recorded. So lengths, rewards and losses are the same. Both train in one process, in turn; a
round gives each the median of its steps, and the ratio is the median over the rounds.
"""

import argparse
import contextlib
import io
import json
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import plain_trl
import torch
from transformers import PrinterCallback, TrainerCallback

from grpoctl.engines.trl import load, rollout
from grpoctl.engines.trl import train as engine
from grpoctl.job import make_job
from grpoctl.plan import plan_new
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Stream
from grpoctl.run.stop import StopRequest

STEPS = 4  # the first of each round is not counted


class Clock(TrainerCallback):  # type: ignore[misc]
    """The seconds of each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self._start = time.perf_counter()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.seconds.append(time.perf_counter() - self._start)


class Recording:
    """The completions of each step, as a table of token ids filled up with the pad token."""

    def __init__(self) -> None:
        self.tables: list[torch.Tensor] = []
        self.end_ids: torch.Tensor = torch.tensor([])
        self.step = -1
        self.column = 0
        # Which completion each row of the batch is, and which of these go on: rows that are done leave the batch.
        self._rows = self._going = torch.tensor([])

    @contextmanager
    def taking(self) -> Iterator[None]:
        real = rollout._draw

        def recorded(core: Any, prompts: Any, how: Any, *rest: Any) -> Any:
            drawn = real(core, prompts, how, *rest)
            table = torch.zeros(len(drawn.ids), how.max_tokens, dtype=torch.long)
            for row, ids in enumerate(drawn.ids):
                table[row, : len(ids)] = torch.tensor(ids)
            self.tables.append(table)
            self.end_ids = torch.tensor(how.end_ids)
            return drawn

        with patch.object(rollout, "_draw", recorded):
            yield

    @contextmanager
    def replayed(self) -> Iterator[None]:
        multinomial, choose, draw = torch.multinomial, rollout._choose, rollout._draw

        def from_multinomial(probabilities: Any, num_samples: int = 1, **kwargs: Any) -> Any:
            multinomial(probabilities, num_samples, **kwargs)
            self.column += 1
            return self._table()[:, self.column - 1 : self.column]

        def from_choose(logits: Any, how: Any, generator: Any) -> Any:
            choose(logits, how, generator)
            if len(logits) < len(self._rows):
                self._rows = self._rows[self._going]
                self._going = torch.ones(len(self._rows), dtype=torch.bool)
            tokens = self._table()[self._rows, self.column]
            self._going &= ~torch.isin(tokens, self.end_ids)
            self.column += 1
            return tokens

        def from_draw(core: Any, prompts: Any, *rest: Any) -> Any:
            self._rows = torch.arange(len(prompts))
            self._going = torch.ones(len(prompts), dtype=torch.bool)
            return draw(core, prompts, *rest)

        with (
            patch.object(torch, "multinomial", from_multinomial),
            patch.object(rollout, "_choose", from_choose),
            patch.object(rollout, "_draw", from_draw),
        ):
            yield

    def _table(self) -> torch.Tensor:
        return self.tables[self.step]


class Turn(TrainerCallback):  # type: ignore[misc]
    """Moves the recording to the table of the step that begins."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def on_step_begin(self, args: Any, state: Any, *rest: Any, **kwargs: Any) -> None:
        self._recording.step, self._recording.column = state.global_step, 0


def ours(folder: Path, *, lora: bool) -> Any:
    """The trainer that `grpoctl train recipes/quickstart.yaml` makes."""
    changes = [] if lora else ["finetuning_type=full", "learning_rate=2.0e-4"]
    steps = [f"max_steps={STEPS}", "save_steps=1000000", "eval_dataset=null", "report_to=none"]
    plan = plan_new("quickstart", [*steps, *changes, f"output_dir={folder}"])
    job = make_job(plan, RunDirectory(folder), Stream(), None, StopRequest())
    load.quieten_libraries()
    trainer, _ = engine.build(job)
    return trainer


def times(trainer: Any, recording: Recording | None) -> list[float]:
    clock = Clock()
    callbacks: list[Any] = [clock] if recording is None else [Turn(recording), clock]
    for callback in callbacks:
        trainer.add_callback(callback)
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()
    for callback in callbacks:
        trainer.remove_callback(callback)
    return clock.seconds[1:]


def compare(threads: int, *, lora: bool, rounds: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    folder = Path(tempfile.mkdtemp())
    plain = plain_trl.build(str(folder / "plain"), lora=lora, steps=STEPS, seed=0)
    here = ours(folder / "ours", lora=lora)
    plain.remove_callback(PrinterCallback)
    here._save_checkpoint = lambda *args: None  # the plain script saves nothing either
    recording = Recording()
    with recording.taking():
        times(here, None)
    pairs = []
    with recording.replayed():
        for _ in range(rounds):
            pairs.append(tuple(statistics.median(times(trainer, recording)) for trainer in (plain, here)))
    lengths = [float((table != 0).sum(1).float().mean()) for table in recording.tables]
    return {
        "threads": threads,
        "finetuning_type": "lora" if lora else "full",
        "mean_length": round(statistics.mean(lengths), 1),
        "plain_s": round(statistics.median(pair[0] for pair in pairs), 3),
        "grpoctl_s": round(statistics.median(pair[1] for pair in pairs), 3),
        "ratio": round(statistics.median(pair[1] / pair[0] for pair in pairs), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--full", action="store_true", help="every weight instead of LoRA; without it, both")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    for threads in args.threads:
        for lora in (False,) if args.full else (True, False):
            print(json.dumps(compare(threads, lora=lora, rounds=args.rounds)), flush=True)


if __name__ == "__main__":
    main()
