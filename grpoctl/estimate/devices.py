"""Which device is a recipe for, how much does it hold, and how fast is it?

Numbers of named devices are their makers' peaks for dense 16-bit matrices; a GPU that is here is asked for its memory.
"""

import os
from dataclasses import dataclass, replace

from grpoctl.errors import Finding, InputError, nearest
from grpoctl.machine import Machine
from grpoctl.recipe.schema import Recipe

GIB = 2**30


@dataclass(frozen=True)
class Device:
    """`tflops` and `gb_per_s` are peaks, of which a training reaches the shares in speed.py; None is not known.
    `given` is the memory that the user named, which is no card's own."""

    name: str
    kind: str  # gpu, tpu or cpu
    memory_gib: float | None
    tflops: float | None = None
    gb_per_s: float | None = None
    link_gb_per_s: float | None = None
    measured: bool = False
    bf16: bool = True
    given: bool = False

    @property
    def room(self) -> str:
        """Its memory in words."""
        gib = f"the {self.memory_gib:g} GiB"
        return f"{gib} that --memory gives" if self.given else f"{gib} of {self.name}"

    @property
    def memory(self) -> float | None:
        return None if self.memory_gib is None else self.memory_gib * GIB


NAMED = {
    "t4": Device("T4", "gpu", 15.0, 65, 320, 16, bf16=False),
    "l4": Device("L4", "gpu", 22.5, 121, 300, 32),
    "rtx3090": Device("RTX 3090", "gpu", 24.0, 71, 936, 32),
    "rtx4090": Device("RTX 4090", "gpu", 24.0, 165, 1008, 32),
    "l40s": Device("L40S", "gpu", 45.0, 362, 864, 32),
    "a100-40": Device("A100 40GB", "gpu", 40.0, 312, 1555, 300),
    "a100": Device("A100 80GB", "gpu", 80.0, 312, 2039, 300),
    "h100": Device("H100", "gpu", 79.6, 989, 3350, 450),
    "h200": Device("H200", "gpu", 140.4, 989, 4800, 450),
    "b200": Device("B200", "gpu", 179.0, 2250, 8000, 900),
    "v5e": Device("TPU v5e", "tpu", 15.75, 197, 819, 200),
    "v5p": Device("TPU v5p", "tpu", 95.0, 459, 2765, 600),
    "v6e": Device("TPU v6e", "tpu", 31.25, 918, 1640, 448),
}
# What a recipe without a device of its own is reckoned for, where none is here.
_USUAL = {"gpu": "h100", "tpu": "v6e"}


def named_device(name: str) -> Device:
    """The device of that name, or InputError."""
    plain = name.lower().replace(" ", "").replace("_", "-").removeprefix("tpu").removeprefix("nvidia")
    if plain in NAMED:
        return NAMED[plain]
    close = nearest(plain, NAMED)
    fix = f"did you mean {close}?" if close else f"use one of {', '.join(NAMED)}, or --memory with its GiB"
    raise InputError(Finding(f"is {name}, which is not known", fix, key="--device"))


def device_of(recipe: Recipe, machine: Machine) -> tuple[Device, bool]:
    """What the recipe would train on here, and whether it is here: else it is the usual device of its kind."""
    if recipe.engine == "trl" and machine.gpus:
        return _gpu_here(machine), True
    if recipe.engine != "trl" and machine.tpus:
        return _tpu_here()
    kind = kind_of(recipe)
    if kind == "cpu":
        return Device("this machine", "cpu", machine.memory_gib), True
    return NAMED[_USUAL[kind]], False


def _tpu_here() -> tuple[Device, bool]:
    """A TPU machine's environment tells which one it is (v5litepod-8, v6e-8); its files do not."""
    told = os.environ.get("TPU_ACCELERATOR_TYPE", "").partition("-")[0].replace("v5litepod", "v5e")
    return NAMED.get(told, NAMED[_USUAL["tpu"]]), told in NAMED


def kind_of(recipe: Recipe) -> str:
    """The kind of device that a recipe asks for."""
    if recipe.engine == "maxtext":
        return "tpu"
    if recipe.engine in ("tunix", "mlp"):
        return "tpu" if recipe.bf16 or recipe.mesh.fsdp * recipe.mesh.tensor > 1 else "cpu"
    for_gpu = recipe.bf16 or recipe.fp16 or recipe.use_vllm or recipe.quantization_bit or recipe.deepspeed
    return "gpu" if for_gpu or recipe.nproc_per_node > 1 else "cpu"


def _gpu_here(machine: Machine) -> Device:
    name = machine.gpus[0]
    known = _known_card(name)
    asked = _memory_by_driver()
    if known is None:
        return Device(name, "gpu", asked)
    return replace(known, name=name, memory_gib=asked or known.memory_gib)


def _known_card(name: str) -> Device | None:
    plain = name.lower().replace(" ", "").replace("geforce", "")
    found = [key for key in NAMED if NAMED[key].kind == "gpu" and key.partition("-")[0] in plain]
    if "a100" in found and "40gb" in plain:
        return NAMED["a100-40"]
    return NAMED[max(found, key=len).replace("a100-40", "a100")] if found else None


def _memory_by_driver() -> float | None:
    """GiB of the smallest card, or None where the driver's tool does not tell."""
    import subprocess  # which a machine without a GPU has no need to load

    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
        return min(float(line) for line in told.splitlines() if line.strip()) / 1024
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
