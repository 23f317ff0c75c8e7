"""What does an estimate say to people?"""

from grpoctl.counted import counted
from grpoctl.estimate import Estimate, fits_on
from grpoctl.estimate.devices import GIB, Device
from grpoctl.estimate.documents import GB
from grpoctl.estimate.layouts import TRAININGS, Row
from grpoctl.estimate.memory import PARTS, Memory
from grpoctl.estimate.network import critic_bytes, parameters
from grpoctl.estimate.time_words import network_time_lines, time_lines
from grpoctl.recipe.schema import Recipe
from grpoctl.table import table

_NUMBERS = range(1, 100)  # every column but the first


def lines(
    file: str,
    recipe: Recipe,
    found: Estimate,
    *,
    device_note: str,
    prompt_note: str,
    price: float | None,
    fix: str | None,
) -> list[str]:
    """The estimate as a page."""
    layout = found.layout
    said = [
        f"{file}: {found.shape.name}, {_count(found.shape.parameters)} parameters, {_training(recipe, found)}",
        f"  device  {_device(found)}, {device_note}",
        f"  tokens  prompts of {layout.prompt_tokens} ({prompt_note}), completions of {layout.completion_tokens}; "
        f"{layout.completions} completions a device and micro-step",
        "",
        *_memory(found.memory, " on a device" if layout.devices > 1 else ""),
        "",
        _verdict(found, fix),
    ]
    if found.vllm_lacks_gib:
        lacks = f"{found.vllm_lacks_gib:.1f} GiB too little for its own copy of the weights"
        said.append(f"but vLLM does not start: its share is {lacks}; raise vllm_gpu_util, or vllm_tensor_parallel_size")
    if recipe.bf16 and not found.device.bf16:
        said.append(f"but {found.device.name} has no bf16: use fp16=true bf16=false there")
    if found.device.kind != "cpu":
        able = ", ".join(fits_on(recipe, layout.prompt_tokens, found.device.kind)) or "none of the known devices"
        said.append(f"it would fit on{_each(layout.devices)}: {able}")
    if found.memory.host:
        said.append(f"beside it {found.memory.host / GIB:.1f} GiB of the host's memory, for what DeepSpeed offloads")
    return [*said, "", *_ppo(found), "", *time_lines(found, price)]


def layout_lines(rows: list[Row], devices: int, device: Device) -> list[str]:
    """One line for each way to split."""
    offloads = any(row.by_training["full"].host for row in rows)
    head = ["GiB", *(f"{name} " for name in TRAININGS), *(["host's memory"] if offloads else [])]
    body = [
        [
            row.name,
            *(_with_mark(memory, device) for memory in row.by_training.values()),
            *([f"{row.by_training['full'].host / GIB:.1f}" if row.by_training["full"].host else ""] * offloads),
        ]
        for row in rows
    ]
    legend = ["full: every weight is trained; LoRA: adapters are; QLoRA: adapters on a 4-bit base"]
    if offloads:
        legend.append("host's memory: what all devices offload there together, where every weight is trained")
    if any(_is_too_large(memory, device) for row in rows for memory in row.by_training.values()):
        legend.append(f"*: does not fit {device.room}")
    title = f"split over {counted(devices, 'device')}, the most that each holds at any moment of a step:"
    return ["", title, *table([head, *body], _NUMBERS), *legend]


def network_lines(
    file: str,
    recipe: Recipe,
    memory: Memory,
    device: Device,
    step_s: float | None,
    steps: int | None,
    price: float | None,
) -> list[str]:
    """Of a network on digits, in MiB, with PPO's critic or beside it, and what its steps take."""
    count, critic = parameters(recipe), parameters(recipe, outputs=1)
    rows = [["MiB", ""]] + [[name, f"{size / 2**20:.2f}"] for name, size in memory.parts.items() if size]
    rows.append(["total", f"{memory.total / 2**20:.2f}"])
    other, with_it = ("GRPO", -critic_bytes(recipe)) if recipe.stage == "ppo" else ("PPO", critic_bytes(recipe))
    beside = f"{other}: {(memory.total + with_it) / 2**20:.2f} MiB, {'without' if with_it < 0 else 'with'} the critic"
    return [
        f"{file}: a network of {count:,} parameters; JAX and the pictures are not counted",
        "",
        *table(rows, _NUMBERS),
        "",
        f"{beside}, a network of {critic:,} parameters: its weights, gradients and Adam",
        "",
        *network_time_lines(device, step_s, steps, price),
    ]


def _each(devices: int) -> str:
    return f" {devices} of" if devices > 1 else ""


def _with_mark(memory: Memory, device: Device) -> str:
    return f"{memory.total / GIB:.1f}{'*' if _is_too_large(memory, device) else ' '}"


def _is_too_large(memory: Memory, device: Device) -> bool:
    return device.memory is not None and memory.total > device.memory


def _memory(memory: Memory, where: str) -> list[str]:
    moments = list(memory.moments)
    # A model that fits a laptop would be a column of zeros in GiB.
    unit, name = (GIB, "GiB") if memory.total >= 4 * GIB else (2**20, "MiB")
    digits = 2 if unit == GIB else 1
    rows = [[name + where, *moments]]
    for part in PARTS:
        sizes = [memory.moments[moment][part] for moment in moments]
        if any(sizes):
            rows.append([part, *(f"{size / unit:.{digits}f}" if size else "" for size in sizes)])
    totals = [f"{sum(memory.moments[moment].values()) / unit:.{digits}f}" for moment in moments]
    return table([*rows, ["total", *totals]], _NUMBERS)


def _verdict(found: Estimate, fix: str | None) -> str:
    peak = f"peak {found.total_gib:.1f} GiB, in the {found.memory.peak_moment}"
    if found.fits is None:
        return peak
    room = found.device.room
    return f"{peak}: it fits {room}" if found.fits else f"{peak}: it does not fit {room}; {fix}"


def _ppo(found: Estimate) -> list[str]:
    if not found.documents:
        return [f"PPO {found.ppo_total_gib:.1f} GiB: with a critic as large, its weights, gradients and optimiser"]
    rows = [["GiB", "GRPO", "PPO", "counted"]]
    rows += [
        [row.what, _gib(row.grpo_gb * GB), "" if row.ppo_gb is None else _gib(row.ppo_gb * GB), row.counts]
        for row in found.documents
    ]
    here = "all above; PPO: and a critic as large, trained in the same way: its weights, gradients, optimiser"
    rows.append(["this recipe", _gib(found.memory.total), f"{found.ppo_total_gib:.1f}", here])
    claims = ", ".join(f"{size} GB = {_gib(size * GB)} GiB" for size in (40, 60, 64, 128))
    note = f"the documents count in GB, of a billion bytes: {claims}"
    return [*table(rows, {1, 2}), note]


def _gib(size: float) -> str:
    return f"{size / GIB:.1f}"


def _device(found: Estimate) -> str:
    device, count = found.device, found.layout.devices
    room = f"{device.memory_gib:g} GiB" if device.memory_gib else "memory unknown"
    room += ", by --memory" if device.given else ""
    return f"{count} x {device.name} ({room} each)" if count > 1 else f"{device.name} ({room})"


def _training(recipe: Recipe, found: Estimate) -> str:
    if recipe.finetuning_type == "full":
        return "all trained"
    bits = f" on a {recipe.quantization_bit}-bit base" if recipe.quantization_bit else ""
    return f"{_count(found.layout.trained)} trained (LoRA of rank {recipe.lora_rank}{bits})"


def _count(number: float) -> str:
    if number >= 1e9:
        return f"{number / 1e9:.2f} billion"
    return f"{number / 1e6:.1f} million" if number >= 1e5 else f"{number:,.0f}"
