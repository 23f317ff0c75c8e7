"""What does one training of a given shape take in memory, phase by phase? Run by memory.py, a process for each case.

    python benchmarks/memory_step.py FOLDER

FOLDER holds what memory.py writes of a `Case`. Each of several processes runs this, with torchrun's variables. Peaks
are the process's own high-water mark (VmHWM), which is set back before each phase; they are told above what the process
held before the model was loaded.
"""

import contextlib
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from grpoctl.engines.trl import load
from grpoctl.engines.trl import train as engine
from grpoctl.job import make_job
from grpoctl.plan import plan_new
from grpoctl.process_memory import held_bytes, peak_bytes, set_peak_back
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Stream
from grpoctl.run.stop import StopRequest

_STEPS = 4  # the optimiser's state is there from the second on


class Phases:
    """The peak of each phase, one for each time that it ran."""

    def __init__(self, base: int) -> None:
        self._base = base
        self.peaks: dict[str, list[int]] = {}

    def watch(self, owner: Any, name: str, phase: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            set_peak_back()
            result = real(*args, **kwargs)
            self.peaks.setdefault(phase, []).append(peak_bytes() - self._base)
            return result

        setattr(owner, name, watched)


def measure(folder: Path, overrides: list[str]) -> dict[str, Any]:
    torch.set_num_threads(1)
    run = RunDirectory(folder / "run")
    plan = plan_new(
        str(folder / "recipe.yaml"),
        [f"output_dir={run.path}", "overwrite_output_dir=true", f"max_steps={_STEPS}", *overrides],
    )
    job = make_job(plan, run, Stream(), None, StopRequest())
    load.quieten_libraries()
    base = held_bytes()
    phases = Phases(base)
    set_peak_back()
    trainer, _ = engine.build(job)
    phases.peaks["load"] = [peak_bytes() - base]
    loaded = held_bytes() - base
    trainer._save_checkpoint = lambda *args: None  # type: ignore[method-assign]
    phases.watch(trainer, "_generate_single_turn", "generate")
    phases.watch(trainer, "compute_loss", "forward")
    phases.watch(trainer.accelerator, "backward", "backward")
    create = trainer.create_optimizer

    def create_and_watch(*args: Any, **kwargs: Any) -> Any:
        made = create(*args, **kwargs)
        phases.watch(trainer.optimizer, "step", "optimiser")
        return made

    trainer.create_optimizer = create_and_watch
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()
    trained = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    return {
        "base": base,
        "loaded": loaded,
        "peaks": phases.peaks,
        "prompt": max(plan.found.prompt_tokens),
        "parameters": sum(weight.numel() for weight in trainer.model.parameters()),
        "trained": sum(weight.numel() for weight in trained),
    }


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2:])))


if __name__ == "__main__":
    main()
