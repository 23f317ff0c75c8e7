"""What do models of Qwen3's real shapes take on an NVIDIA GPU: memory beside the estimate, time beside plain TRL?

    python benchmarks/gpu.py              every case that fits by the estimate; writes docs/benchmarks_gpu.md
    python benchmarks/gpu.py --only 0.6B

Weights are random, made on the device from the shapes that `grpoctl estimate` knows, so every answer is as long as it
may be. Each training is a process of its own, four steps of which the first is not counted. Plain TRL draws with
transformers and without vLLM, as grpoctl does here.
"""

import argparse
import contextlib
import io
import json
import logging
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpoctl import shipped
from grpoctl.estimate import Estimate, estimate
from grpoctl.estimate.devices import GIB, Device, device_of
from grpoctl.estimate.shapes import named_config, shape_from
from grpoctl.machine import Machine, read_machine
from grpoctl.recipe.load import read_recipe_text
from grpoctl.recipe.schema import Recipe
from grpoctl.table import table

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks_gpu.md"
STEPS = 4
_NOT_MEASURED = """# On a GPU

This has not been measured: no NVIDIA GPU was there. `make bench-gpu` on one measures Qwen3-0.6B, 4B and 8B, LoRA and
full where they fit, peak memory beside `grpoctl estimate`, step time and tokens a second beside a plain TRL script, and
writes this page with the hardware named.
"""


@dataclass(frozen=True)
class Case:
    """A model of the estimate's table, and how it is trained."""

    model: str
    finetuning: str
    prompt: int = 256
    completion: int = 512
    generations: int = 8

    @property
    def name(self) -> str:
        return f"{self.model.rpartition('/')[2]}, {'LoRA' if self.finetuning == 'lora' else 'full'}"


CASES = tuple(Case(f"Qwen/Qwen3-{size}", kind) for size in ("0.6B", "4B", "8B") for kind in ("lora", "full"))


def config_of(case: Case) -> dict[str, Any]:
    """Its config.json; `tiny` is there to try this where no GPU is."""
    own: dict[str, Any] = json.loads((shipped.MODELS["tiny"] / "config.json").read_text(encoding="utf-8"))
    shape = named_config(case.model)
    if shape is None:
        return own
    layers = shape["num_hidden_layers"]
    return own | shape | {"layer_types": ["full_attention"] * layers, "max_window_layers": layers}


def recipe_text(case: Case, folder: Path, *, bf16: bool) -> str:
    recipe = {
        "model_name_or_path": str(folder / "model"),
        "dataset": str(folder / "sums.json"),
        "system_prompt": "",
        "reward_funcs": "accuracy",
        "finetuning_type": case.finetuning,
        "learning_rate": 1e-6,
        "num_generations": case.generations,
        "max_prompt_length": case.prompt,
        "max_completion_length": case.completion,
        "bf16": bf16,
        "num_threads": 1,
        "max_steps": STEPS,
        "save_steps": 1000,
        "output_dir": str(folder / "run"),
        "overwrite_output_dir": True,
    }
    return json.dumps(recipe)


def write_files(case: Case, folder: Path, *, bf16: bool) -> None:
    """The data, the recipe, and a model without its weights."""
    (folder / "model").mkdir()
    for file in shipped.MODELS["tiny"].iterdir():
        if file.name != "config.json":
            shutil.copy(file, folder / "model")
    (folder / "model" / "config.json").write_text(json.dumps(config_of(case)))
    digits = case.prompt - 8  # the chat template's own
    rows = [{"question": str(10 ** (digits - 1) + number), "answer": str(number)} for number in range(64)]
    (folder / "sums.json").write_text(json.dumps(rows))
    (folder / "recipe.yaml").write_text(recipe_text(case, folder, bf16=bf16))


def reckoned(case: Case, device: Device) -> Estimate:
    read = read_recipe_text(recipe_text(case, Path("/"), bf16=device.kind == "gpu"), "case").recipe
    if read is None:
        raise SystemExit(f"{case.name}: its recipe cannot be read")
    return estimate(read.resolved(), device, case.prompt, shape=shape_from(config_of(case), case.name))


# --- a process of its own


def made_here(recipe: Recipe, folder: Path) -> Any:
    """In place of reading weights: random ones on the device, in the type that the recipe asks for."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from grpoctl.engines.trl.translate import model_arguments

    arguments = model_arguments(recipe)
    del arguments["use_safetensors"]  # there is no file
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), **arguments)


def ours(folder: Path) -> Any:
    from grpoctl.engines.trl import load
    from grpoctl.engines.trl.train import build
    from grpoctl.job import make_job
    from grpoctl.plan import plan_new
    from grpoctl.run.directory import RunDirectory
    from grpoctl.run.events import Stream
    from grpoctl.run.stop import StopRequest

    load.load_model = made_here
    load.quieten_libraries()
    plan = plan_new(str(folder / "recipe.yaml"), [])
    trainer, _ = build(make_job(plan, RunDirectory(folder / "run"), Stream(), None, StopRequest()))
    trainer._save_checkpoint = lambda *args: None  # type: ignore[method-assign]
    return trainer


def plain(folder: Path) -> Any:
    """TRL as its documentation shows it, with the recipe's numbers."""
    from datasets import Dataset
    from peft import LoraConfig
    from plain_trl import accuracy_reward
    from transformers import AutoTokenizer, PrinterCallback
    from trl import GRPOConfig, GRPOTrainer

    recipe = read_recipe_text((folder / "recipe.yaml").read_text(), "case").recipe
    if recipe is None:
        raise SystemExit("the recipe cannot be read")
    rows = json.loads((folder / "sums.json").read_text())
    arguments = GRPOConfig(
        output_dir=str(folder / "plain"),
        use_cpu=not recipe.bf16,
        bf16=recipe.bf16,
        per_device_train_batch_size=recipe.num_generations,
        num_generations=recipe.num_generations,
        max_completion_length=recipe.max_completion_length,
        max_steps=STEPS,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    adapters = LoraConfig(r=recipe.lora_rank, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = GRPOTrainer(
        model=made_here(recipe.resolved(), folder / "model"),
        reward_funcs=accuracy_reward,
        args=arguments,
        train_dataset=Dataset.from_dict(
            {
                "prompt": [[{"role": "user", "content": row["question"]}] for row in rows],
                "answer": [row["answer"] for row in rows],
            }
        ),
        processing_class=AutoTokenizer.from_pretrained(folder / "model"),
        peft_config=adapters if recipe.finetuning_type == "lora" else None,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def measure(folder: Path, which: str) -> dict[str, float]:
    """Peak bytes, seconds a step and tokens a second."""
    import torch
    from transformers import TrainerCallback

    from grpoctl.engines.trl.longest_step import peak_on, set_peak_back_on

    class Clock(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.seconds: list[float] = []
            self.tokens: list[float] = []

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            self._began = time.perf_counter()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.seconds.append(time.perf_counter() - self._began)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "completions/mean_length" in logs:
                self.tokens.append(float(logs["completions/mean_length"]) * args.generation_batch_size)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    set_peak_back_on(device)
    clock = Clock()
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = ours(folder) if which == "grpoctl" else plain(folder)
        trainer.add_callback(clock)
        trainer.train()
    step_s, tokens = statistics.median(clock.seconds[1:]), statistics.median(clock.tokens[1:])
    return {"peak": peak_on(device), "step_s": step_s, "tokens_per_s": tokens / step_s}


def in_a_process(case: Case, which: str, *, bf16: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        write_files(case, Path(name), bf16=bf16)
        done = subprocess.run(
            [sys.executable, __file__, "--measure", name, which], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(f"{case.name}, {which}: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


# --- the page


def row_of(case: Case, found: Estimate, here: dict[str, float], theirs: dict[str, float]) -> list[str]:
    peak = here["peak"] / GIB
    return [
        case.name,
        f"{peak:.1f}",
        f"{found.total_gib:.1f}",
        f"{found.total_gib / peak - 1:+.1%}",
        f"{theirs['peak'] / GIB:.1f}",
        f"{here['step_s']:.2f}",
        f"{theirs['step_s']:.2f}",
        f"{here['step_s'] / theirs['step_s']:.2f}",
        f"{here['tokens_per_s']:,.0f}",
        f"{theirs['tokens_per_s']:,.0f}",
    ]


HEAD = [
    "", "peak GiB", "estimate GiB", "error", "TRL's peak GiB", "step s", "TRL's step s", "ratio", "tokens/s",
    "TRL's tokens/s",
]  # fmt: skip


def page(rows: list[list[str]], passed_over: list[str], hardware: str) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (HEAD, ["---"] * len(HEAD), *rows)]
    case = CASES[0]
    return "\n".join(
        [
            "# On a GPU",
            "",
            f"`make bench-gpu` on {hardware}. Models of random weights, prompts of {case.prompt} and completions "
            f"of {case.completion} tokens, {case.generations} a step, bf16, gradient checkpointing, no vLLM; median "
            f"of {STEPS - 1} steps. Plain TRL is benchmarks/gpu.py's `plain`.",
            "",
            *lines,
            "",
            *[f"Not run, as the estimate says that it does not fit: {name}." for name in passed_over],
            "",
        ]
    )


def hardware_of(machine: Machine) -> str:
    import torch

    cards = f"{len(machine.gpus)} x " if len(machine.gpus) > 1 else ""
    return f"{cards}{torch.cuda.get_device_name()} (torch {torch.__version__}, CUDA {torch.version.cuda})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="cases whose names hold one of these words")
    parser.add_argument("--measure", nargs=2, metavar=("FOLDER", "WHICH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        print(json.dumps(measure(Path(args.measure[0]), args.measure[1])))
        return
    machine = read_machine()
    if not machine.gpus:
        print("no NVIDIA GPU is here, so nothing is measured")
        if not PAGE.is_file():
            PAGE.write_text(_NOT_MEASURED, encoding="utf-8")
        return
    device, _ = device_of(Recipe(bf16=True), machine)
    rows, passed_over = [], []
    for case in CASES:
        if args.only and not any(word in case.name for word in args.only):
            continue
        found = reckoned(case, device)
        if found.fits is False:
            passed_over.append(case.name)
            continue
        here, theirs = (in_a_process(case, which, bf16=True) for which in ("grpoctl", "plain"))
        rows.append(row_of(case, found, here, theirs))
        print("\n".join(table([HEAD, *rows], set(range(1, len(HEAD))))), flush=True)
    PAGE.write_text(page(rows, passed_over, hardware_of(machine)), encoding="utf-8")


if __name__ == "__main__":
    main()
