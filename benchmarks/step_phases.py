"""How near does `grpoctl estimate` come to the time that a step takes on a CPU, phase by phase?

    python benchmarks/step_phases.py            measure the cases, each in a process of its own with one thread
    python benchmarks/step_phases.py --kept     compare what was measured before, without measuring

The cases are random models as memory.py makes them, whose answers are as long as they may be. What was measured is kept
in step_measured.json, with the rates of the core that were measured right before; speed.py's numbers for a CPU come
from it.
"""

import argparse
import contextlib
import io
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from memory import Case, config_of, recipe_of, write_files

from grpoctl.estimate.devices import Device
from grpoctl.estimate.layout import layout_of
from grpoctl.estimate.shapes import shape_from
from grpoctl.estimate.speed import measured_rates, step_time
from grpoctl.recipe.load import read_recipe_text
from grpoctl.table import table

KEPT = Path(__file__).with_name("step_measured.json")
_STEPS = 4  # the first is not counted

CASES = (
    Case("quickstart's", 128, 256, 2, 2, 1, 64, 400, "lora", 28, 40, prompts=16),
    Case("quickstart's, full, long", 128, 256, 2, 2, 1, 64, 400, "full", 28, 160, prompts=16),
    Case("few short answers", 128, 256, 2, 2, 1, 64, 400, "lora", 28, 40, prompts=1),
    Case("many layers, LoRA", 256, 768, 8, 4, 2, 64, 8192, "lora", 64, 96),
    Case("small, full", 320, 960, 6, 5, 5, 64, 12288, "full", 24, 56),
    Case("small, LoRA, long", 320, 960, 6, 5, 5, 64, 12288, "lora", 120, 160, generations=4),
    Case("middle, full", 640, 1792, 7, 10, 2, 64, 24576, "full", 40, 72, generations=4),
    Case("middle, checkpointing", 640, 1792, 7, 10, 2, 64, 24576, "full", 40, 72, generations=4, checkpointing=True),
    Case("large, LoRA", 896, 2688, 8, 14, 2, 64, 48000, "lora", 36, 60, generations=4),
)
_PHASES = {
    "generate": ("prompts", "completions"),
    "forward": ("reference", "old policy", "forward"),
    "backward": ("backward",),
    "optimiser": ("optimiser",),
}


def measure_here(folder: Path) -> dict[str, Any]:
    """Seconds a step of each phase, in this process."""
    import torch
    from transformers import TrainerCallback

    from grpoctl.engines.trl import load
    from grpoctl.engines.trl import train as engine
    from grpoctl.job import make_job
    from grpoctl.plan import plan_new
    from grpoctl.run.directory import RunDirectory
    from grpoctl.run.events import Stream
    from grpoctl.run.stop import StopRequest

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    rates = measured_rates()
    torch.set_num_threads(1)
    run = RunDirectory(Path(tempfile.mkdtemp(dir=folder)))
    plan = plan_new(str(folder / "recipe.yaml"), [f"output_dir={run.path}", f"max_steps={_STEPS}", "num_threads=1"])
    load.quieten_libraries()
    trainer, _ = engine.build(make_job(plan, run, Stream(), None, StopRequest()))
    trainer._save_checkpoint = lambda *args: None  # type: ignore[method-assign]
    steps: list[dict[str, float]] = []

    def watch(owner: Any, name: str, phase: str) -> None:
        real = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            result = real(*args, **kwargs)
            steps[-1][phase] = steps[-1].get(phase, 0.0) + time.perf_counter() - began
            return result

        setattr(owner, name, watched)

    watch(trainer, "_generate_single_turn", "generate")
    watch(trainer, "compute_loss", "forward")
    watch(trainer.accelerator, "backward", "backward")
    create = trainer.create_optimizer

    def create_and_watch(*args: Any, **kwargs: Any) -> Any:
        made = create(*args, **kwargs)
        watch(trainer.optimizer, "step", "optimiser")
        return made

    trainer.create_optimizer = create_and_watch

    class Clock(TrainerCallback):  # type: ignore[misc]
        """The whole of each step."""

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            steps.append({"whole": -time.perf_counter()})

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            steps[-1]["whole"] += time.perf_counter()

    trainer.add_callback(Clock())
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()
    counted = steps[1:]
    return {
        "prompt": max(plan.found.prompt_tokens),
        "rates": rates,
        "seconds": {name: round(statistics.median(step[name] for step in counted), 5) for name in counted[0]},
    }


def measure(case: Case) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        write_files(case, Path(name))
        # Threads that wait for each other would measure how busy the machine is.
        alone = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}
        command = [sys.executable, __file__, "--here", name]
        done = subprocess.run(command, env=os.environ | alone, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case.name}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def estimated(case: Case, measured: dict[str, Any]) -> dict[str, float]:
    """The estimate's seconds by the phases that were measured, and the whole."""
    recipe = read_recipe_text(json.dumps(recipe_of(case, Path("/"))), "case").recipe
    assert recipe is not None
    shape = shape_from(config_of(case), case.name)
    layout = layout_of(recipe.resolved(), shape, on_cpu=True, prompt_tokens=measured["prompt"])
    tflops, gb_per_s = measured["rates"]
    found = step_time(shape, layout, Device("a core", "cpu", None, tflops, gb_per_s, measured=True))
    assert found is not None
    phases = {phase: sum(found.seconds.get(part, 0.0) for part in parts) for phase, parts in _PHASES.items()}
    return phases | {"whole": found.total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kept", action="store_true", help="measure nothing anew")
    parser.add_argument("--here", metavar="FOLDER", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        print(json.dumps(measure_here(Path(args.here))))
        return
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if args.kept else {}
    rows = [["seconds measured / estimated", *_PHASES, "whole", ""]]
    for case in CASES:
        if not args.kept:
            kept[case.name] = measure(case)
            KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        seconds, ours = kept[case.name]["seconds"], estimated(case, kept[case.name])
        cells = [f"{seconds[phase]:.3f} / {ours[phase]:.3f}" for phase in (*_PHASES, "whole")]
        rows.append([case.name, *cells, f"x {ours['whole'] / seconds['whole']:.2f}"])
    print("\n".join(table(rows, range(1, 7))))


if __name__ == "__main__":
    main()
