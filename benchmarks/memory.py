"""How near does `grpoctl estimate` come to the memory that a training takes on a CPU?

    python benchmarks/memory.py                 fifteen cases that nothing was fitted on, six of them on two processes
    python benchmarks/memory.py --fitting       the cases that the coefficients come from
    python benchmarks/memory.py --kept          compare what was measured before, without measuring

Each case is a random Qwen3 or Llama of its own shape, trained for four steps by grpoctl's TRL engine in a process of
its own, or in two, of which the larger peak counts (memory_step.py). What was measured is kept in
memory_measured.json. Peaks and errors are told above what Python and the libraries hold before the model is loaded,
behind which a small model would hide; the error of the whole process, which is what `grpoctl estimate` tells, stands
beside.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from grpoctl import shipped
from grpoctl.estimate.layout import layout_of
from grpoctl.estimate.memory import LIBRARIES_CPU, memory_of
from grpoctl.estimate.shapes import shape_from
from grpoctl.recipe.load import read_recipe_text
from grpoctl.table import table

KEPT = Path(__file__).with_name("memory_measured.json")
_TEMPLATE_TOKENS = 8  # that tiny's chat template adds to a question


@dataclass(frozen=True)
class Case:
    """A model's shape and a recipe's numbers."""

    name: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    finetuning: str
    prompt: int
    completion: int
    prompts: int = 1
    generations: int = 8
    accumulation: int = 1
    checkpointing: bool = False
    pref_beta: float = 0.0
    bf16: bool = False
    model_type: str = "qwen3"
    tied: bool = True
    rank: int = 16
    processes: int = 1


# Shapes and lengths that stand in no fitting case.
VALIDATION = (
    Case("small, full, short", 320, 960, 6, 5, 5, 64, 12288, "full", 24, 56),
    Case("small, full, long", 320, 960, 6, 5, 5, 64, 12288, "full", 180, 300),
    Case("small, LoRA, long", 320, 960, 6, 5, 5, 64, 12288, "lora", 180, 300),
    Case("middle, full, short", 640, 1792, 7, 10, 2, 64, 24576, "full", 40, 72, generations=4),
    Case("middle, full, long", 640, 1792, 7, 10, 2, 64, 24576, "full", 120, 320, generations=4, checkpointing=True),
    Case("middle, LoRA, short", 640, 1792, 7, 10, 2, 64, 24576, "lora", 40, 72, prompts=2, generations=4),
    Case("large, full, short", 896, 2688, 8, 14, 2, 64, 48000, "full", 36, 60, generations=4, pref_beta=0.04),
    Case("large, LoRA, short", 896, 2688, 8, 14, 2, 64, 48000, "lora", 36, 60, generations=4, accumulation=2),
    Case("large, LoRA, long", 896, 2688, 8, 14, 2, 64, 48000, "lora", 100, 260, generations=4, checkpointing=True),
    Case("small, full, two", 320, 960, 6, 5, 5, 64, 12288, "full", 24, 56, processes=2),
    Case("small, LoRA, two", 320, 960, 6, 5, 5, 64, 12288, "lora", 180, 300, processes=2),
    Case("middle, full, two", 640, 1792, 7, 10, 2, 64, 24576, "full", 40, 72, generations=4, processes=2),
    Case("middle, LoRA, two", 640, 1792, 7, 10, 2, 64, 24576, "lora", 40, 72, generations=4, processes=2),
    Case("large, full, two", 896, 2688, 8, 14, 2, 64, 48000, "full", 36, 60, generations=4, processes=2),
    Case("large, LoRA, two", 896, 2688, 8, 14, 2, 64, 48000, "lora", 36, 60, generations=4, processes=2),
)

FITTING = (
    Case("f1", 256, 768, 4, 4, 4, 64, 8192, "full", 64, 96),
    Case("f2", 256, 768, 4, 4, 4, 64, 8192, "full", 64, 384),
    Case("f3", 256, 768, 8, 4, 2, 64, 8192, "full", 256, 192),
    Case("f4", 256, 768, 8, 4, 2, 64, 8192, "lora", 256, 192),
    Case("f5", 512, 1024, 4, 8, 2, 64, 16384, "full", 64, 128),
    Case("f6", 512, 1024, 4, 8, 2, 64, 16384, "lora", 64, 128),
    Case("f7", 512, 2048, 4, 8, 8, 64, 16384, "full", 128, 256, checkpointing=True),
    Case("f8", 512, 1536, 4, 8, 8, 64, 16384, "lora", 64, 128, checkpointing=True),
    Case("f9", 512, 2048, 6, 8, 2, 64, 32768, "lora", 32, 64),
    Case("f10", 512, 1536, 4, 8, 4, 64, 16384, "lora", 64, 128, model_type="llama", tied=False),
    Case("f11", 512, 1024, 4, 8, 2, 64, 16384, "full", 64, 128, bf16=True, generations=4),
    Case("f12", 512, 1024, 4, 8, 2, 64, 16384, "lora", 64, 128, bf16=True, generations=4, checkpointing=True),
)


def config_of(case: Case) -> dict[str, Any]:
    """The case's config.json."""
    config: dict[str, Any] = json.loads((shipped.MODELS["tiny"] / "config.json").read_text(encoding="utf-8"))
    return config | {
        "architectures": [{"qwen3": "Qwen3ForCausalLM", "llama": "LlamaForCausalLM"}[case.model_type]],
        "model_type": case.model_type,
        "hidden_size": case.hidden,
        "intermediate_size": case.intermediate,
        "num_hidden_layers": case.layers,
        "num_attention_heads": case.heads,
        "num_key_value_heads": case.kv_heads,
        "head_dim": case.head_dim,
        "vocab_size": case.vocabulary,
        "tie_word_embeddings": case.tied,
        "layer_types": ["full_attention"] * case.layers,
        "max_position_embeddings": 4096,
    }


def _weights(case: Case) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, queries, keys = case.hidden, case.heads * case.head_dim, case.kv_heads * case.head_dim
    yield "model.embed_tokens.weight", (case.vocabulary, hidden)
    yield "model.norm.weight", (hidden,)
    if not case.tied:
        yield "lm_head.weight", (case.vocabulary, hidden)
    for number in range(case.layers):
        layer = f"model.layers.{number}"
        yield f"{layer}.input_layernorm.weight", (hidden,)
        yield f"{layer}.post_attention_layernorm.weight", (hidden,)
        yield f"{layer}.self_attn.q_proj.weight", (queries, hidden)
        yield f"{layer}.self_attn.k_proj.weight", (keys, hidden)
        yield f"{layer}.self_attn.v_proj.weight", (keys, hidden)
        yield f"{layer}.self_attn.o_proj.weight", (hidden, queries)
        yield f"{layer}.mlp.gate_proj.weight", (case.intermediate, hidden)
        yield f"{layer}.mlp.up_proj.weight", (case.intermediate, hidden)
        yield f"{layer}.mlp.down_proj.weight", (hidden, case.intermediate)
        if case.model_type == "qwen3":
            yield f"{layer}.self_attn.q_norm.weight", (case.head_dim,)
            yield f"{layer}.self_attn.k_norm.weight", (case.head_dim,)


def write_model(case: Case, folder: Path) -> None:
    """A random model of this shape, with tiny's tokenizer."""
    folder.mkdir()
    for file in shipped.MODELS["tiny"].iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            shutil.copy(file, folder)
    (folder / "config.json").write_text(json.dumps(config_of(case)))
    numbers = np.random.default_rng(0)
    save_file(
        {
            name: numbers.standard_normal(shape, np.float32) * np.float32(0.02)
            if len(shape) > 1
            else np.ones(shape, np.float32)
            for name, shape in _weights(case)
        },
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )


def recipe_of(case: Case, folder: Path) -> dict[str, Any]:
    return {
        "model_name_or_path": str(folder / "model"),
        "dataset": str(folder / "sums.json"),
        "system_prompt": "",
        "reward_funcs": "accuracy",
        "finetuning_type": case.finetuning,
        "lora_rank": case.rank,
        "num_generations": case.generations,
        "per_device_train_batch_size": case.prompts,
        "gradient_accumulation_steps": case.accumulation,
        "max_prompt_length": case.prompt,
        "max_completion_length": case.completion,
        "disable_gradient_checkpointing": not case.checkpointing,
        "pref_beta": case.pref_beta,
        "bf16": case.bf16,
        "nproc_per_node": case.processes,
        "save_steps": 1000,
    }


def write_files(case: Case, folder: Path) -> None:
    """The model, the data and the recipe."""
    write_model(case, folder / "model")
    digits = case.prompt - _TEMPLATE_TOKENS
    rows = [{"question": str(10 ** (digits - 1) + number), "answer": str(number)} for number in range(16)]
    (folder / "sums.json").write_text(json.dumps(rows))
    (folder / "recipe.yaml").write_text(json.dumps(recipe_of(case, folder)))


def measure(case: Case) -> dict[str, Any]:
    """Train it in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(case, folder)
        (folder / "run").mkdir()
        step = Path(__file__).with_name("memory_step.py")
        port = _free_port()
        running = []
        for rank in range(case.processes):
            meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(case.processes)}
            place = {"RANK": str(rank), "LOCAL_RANK": str(rank)} | meeting if case.processes > 1 else {}
            out = (folder / f"{rank}.out").open("w+")
            running.append(
                (subprocess.Popen([sys.executable, step, folder], stdout=out, stderr=out, env=os.environ | place), out)
            )
        told = []
        for process, out in running:
            process.wait()
            out.seek(0)
            text = out.read()
            out.close()
            if process.returncode:
                raise SystemExit(f"{case.name}: {text[-2000:]}")
            told.append(json.loads(text.splitlines()[-1]))
    found: dict[str, Any] = max(told, key=lambda each: max(max(peaks) for peaks in each["peaks"].values()))
    return found


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def compare(case: Case, measured: dict[str, Any]) -> list[str]:
    """A row: measured, estimated, both errors, and the parts of the estimate."""
    folder = Path("/")
    text = json.dumps(recipe_of(case, folder))
    recipe = read_recipe_text(text, "case").recipe
    if recipe is None:
        raise SystemExit(f"{case.name}: its recipe cannot be read")
    shape = shape_from(config_of(case), case.name)
    layout = layout_of(recipe.resolved(), shape, on_cpu=True, prompt_tokens=measured["prompt"])
    memory = memory_of(shape, layout)
    peaks = measured["peaks"]
    peak, phase = max((max(found), phase) for phase, found in peaks.items())
    above = memory.total - LIBRARIES_CPU
    parts = [f"{name} {size / 1e6:.0f}" for name, size in memory.parts.items() if size >= 5e5 and name != "overhead"]
    rest = (memory.parts["overhead"] - LIBRARIES_CPU) / 1e6
    errors = [above / peak - 1, memory.total / (peak + measured["base"]) - 1]
    return [
        case.name,
        f"{peak / 1e6:.0f}",
        phase,
        f"{above / 1e6:.0f}",
        *(f"{error:+.1%}" for error in errors),
        ", ".join([*parts, f"overhead {rest:.0f}"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fitting", action="store_true", help="the cases that coefficients come from")
    parser.add_argument("--kept", action="store_true", help="measure nothing anew")
    parser.add_argument("--only", nargs="*", help="names of cases")
    args = parser.parse_args()
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    rows = [["MB", "measured", "in", "estimated", "error", "of the process", "parts"]]
    for case in FITTING if args.fitting else VALIDATION:
        if args.only and case.name not in args.only:
            continue
        if not args.kept:
            kept[case.name] = {"case": asdict(case), "measured": measure(case)}
            KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        if case.name in kept:
            rows.append(compare(case, kept[case.name]["measured"]))
    print("\n".join(table(rows, {1, 3, 4, 5})))
    errors = [abs(float(row[4].rstrip("%"))) for row in rows[1:]]
    if errors:
        mean, within = sum(errors) / len(errors), sum(error <= 15 for error in errors)
        print(f"{len(errors)} cases: mean error {mean:.1f}%, largest {max(errors):.1f}%, {within} within 15%")


if __name__ == "__main__":
    main()
