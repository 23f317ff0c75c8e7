"""What does an estimate say to people?"""

from grpoctl.estimate import Estimate, fits_on
from grpoctl.estimate.devices import GIB, Device
from grpoctl.estimate.layouts import TRAININGS, Row
from grpoctl.estimate.memory import PARTS, Memory
from grpoctl.estimate.network import critic_bytes, parameters
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
    if found.device.kind != "cpu":
        said.append(
            f"it would fit on: {', '.join(fits_on(recipe, layout.prompt_tokens)) or 'none of the known devices'}"
        )
    if found.memory.host:
        said.append(f"beside it {found.memory.host / GIB:.1f} GiB of the host's memory, for what DeepSpeed offloads")
    return [*said, "", *_ppo(found), "", *_time(found, price)]


def layout_lines(rows: list[Row], devices: int, device: Device) -> list[str]:
    """One line for each way to split."""
    head = [f"GiB on each of {devices}", *TRAININGS, "host, full"]
    body = [
        [
            row.name,
            *(_with_mark(memory, device) for memory in row.by_training.values()),
            f"{row.by_training['full'].host / GIB:.1f}" if row.by_training["full"].host else "",
        ]
        for row in rows
    ]
    return ["", *table([head, *body], _NUMBERS), f"* more than the {device.memory_gib:g} GiB of {device.name}"]


def network_lines(file: str, recipe: Recipe, memory: Memory) -> list[str]:
    """Of a network on digits, in kilobytes, with PPO's critic beside it."""
    count, critic = parameters(recipe), parameters(recipe, outputs=1)
    rows = [["kB", ""]] + [[name, f"{size / 1e3:.0f}"] for name, size in memory.parts.items() if size]
    rows.append(["total", f"{memory.total / 1e3:.0f}"])
    whole = (memory.total + critic_bytes(recipe)) / 1e3
    return [
        f"{file}: a network of {count:,} parameters; JAX and the pictures are not counted",
        "",
        *table(rows, _NUMBERS),
        "",
        f"PPO: {whole:.0f} kB, with a critic of {critic:,} parameters: its weights, gradients and Adam",
    ]


def _with_mark(memory: Memory, device: Device) -> str:
    too_large = device.memory is not None and memory.total > device.memory
    return f"{memory.total / GIB:.1f}{'*' if too_large else ' '}"


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
    room = f"the {found.device.memory_gib:g} GiB of {found.device.name}"
    return f"{peak}: it fits {room}" if found.fits else f"{peak}: it does not fit {room}; {fix}"


def _ppo(found: Estimate) -> list[str]:
    if not found.documents:
        return [f"PPO {found.ppo_total_gib:.1f} GiB: with a critic as large, its weights, gradients and optimiser"]
    rows = [["GB (a billion bytes)", "GRPO", "PPO", "counted"]]
    rows += [
        [row.what, f"{row.grpo_gb:.1f}", "" if row.ppo_gb is None else f"{row.ppo_gb:.1f}", row.counts]
        for row in found.documents
    ]
    here = "all above; PPO: and a critic as large, trained in the same way: its weights, gradients, optimiser"
    rows.append(["this recipe", f"{found.memory.total / 1e9:.1f}", f"{found.ppo_total_gib * GIB / 1e9:.1f}", here])
    return table(rows, {1, 2})


def _time(found: Estimate, price: float | None) -> list[str]:
    device, time = found.device, found.time
    if time is None:
        return [f"no time is told: the rates of {device.name} are not known"]
    rows = [["seconds a step", ""]] + [[name, f"{seconds:.2f}"] for name, seconds in time.seconds.items()]
    rows.append(["total", f"{time.total:.2f}"])
    if device.measured:
        reached = f"{device.tflops or 0:.2g} TFLOP/s and {device.gb_per_s or 0:.2g} GB/s"
        rates = f"at {reached}, by a short trial of one core here, times the cores; the least to expect"
    else:
        rates = (
            f"at 40% of the {device.tflops:g} TFLOP/s and 70% of the {device.gb_per_s:g} GB/s that its maker tells; "
            "what Python does between kernels comes on top, most of all in rollouts without vLLM"
        )
    said = [*table(rows, {1}), rates]
    hours = time.total / 3600
    if found.steps:
        said.append(f"{found.steps} steps: {hours * found.steps:.1f} h{_money(found, price, found.steps)}")
    elif price:
        said.append(f"1000 steps: {hours * 1000:.1f} h{_money(found, price, 1000)}; the data is not here to count them")
    return said


def _money(found: Estimate, price: float | None, steps: int) -> str:
    if not price:
        return ""
    count = found.layout.devices
    each = f" x {count} devices" if count > 1 else ""
    return f", {found.cost(price, steps) or 0:.2f} at {price:g} an hour{each}"


def _device(found: Estimate) -> str:
    device, count = found.device, found.layout.devices
    room = f"{device.memory_gib:g} GiB" if device.memory_gib else "memory unknown"
    return f"{count} x {device.name} ({room} each)" if count > 1 else f"{device.name} ({room})"


def _training(recipe: Recipe, found: Estimate) -> str:
    if recipe.finetuning_type == "full":
        return "all trained"
    bits = f" on a {recipe.quantization_bit}-bit base" if recipe.quantization_bit else ""
    return f"{_count(found.layout.trained)} trained (LoRA of rank {recipe.lora_rank}{bits})"


def _count(number: float) -> str:
    if number >= 1e9:
        return f"{number / 1e9:.2f} billion"
    return f"{number / 1e6:.1f} million" if number >= 1e5 else f"{number:.0f}"
