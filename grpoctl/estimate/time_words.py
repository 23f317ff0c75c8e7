"""What does an estimate say of time and money?"""

from grpoctl.counted import counted
from grpoctl.estimate import Estimate
from grpoctl.estimate.devices import Device
from grpoctl.table import table

# For a run whose number of steps is not known.
_SOME_STEPS = 1000


def time_lines(found: Estimate, price: float | None) -> list[str]:
    """The parts of a step, at which rates, and the whole run."""
    device, time = found.device, found.time
    if time is None:
        speed = "a device of which the memory alone is given" if device.given else device.name
        return [f"no time and no cost is told, as the speed of {speed} is not known; --device names one that is"]
    name, unit = ("milliseconds a step", 1e-3) if time.total < 1 else ("seconds a step", 1.0)
    rows = [[name, ""]] + [[part, _digits(seconds / unit)] for part, seconds in time.seconds.items()]
    rows.append(["total", _digits(time.total / unit)])
    return [*table(rows, {1}), rates_line(device), *run_lines(time.total, found.steps, price, found.layout.devices)]


def network_time_lines(device: Device, step_s: float | None, steps: int | None, price: float | None) -> list[str]:
    """The same of a network on digits, whose steps are too short to have parts."""
    if step_s is None:
        return [
            f"no time and no cost is told of a network this small on {device.name}; --device cpu tells this machine's"
        ]
    at = f"at {device.tflops or 0:.2g} TFLOP/s, by a short trial of one core here, times the cores"
    return [
        f"{duration(step_s)} a step, {at} (benchmarks/mnist_speed.py); starting and compiling take some seconds more",
        *run_lines(step_s, steps, price),
    ]


def rates_line(device: Device) -> str:
    if device.measured:
        rates = f"{device.tflops or 0:.2g} TFLOP/s and {device.gb_per_s or 0:.2g} GB/s"
        return (
            f"at what trainings reached (benchmarks/step_phases.py) of {rates}, a short trial of one core here times "
            "the cores, with every answer as long as it may be; what else the machine does comes on top"
        )
    return (
        f"at 40% of the {device.tflops:g} TFLOP/s and 70% of the {device.gb_per_s:g} GB/s that its maker tells; "
        "what Python does between kernels comes on top, most of all in rollouts without vLLM"
    )


def run_lines(step_s: float, steps: int | None, price: float | None, devices: int = 1) -> list[str]:
    """How long all steps take and what they cost; of a run whose steps are not known, so many of them."""
    if steps is None:
        said = f"the number of steps is not known, as the data is not here; per {_SOME_STEPS:,} steps"
    else:
        said = counted(steps, "step")
    seconds = step_s * (steps or _SOME_STEPS)
    if price is None:
        return [f"{said}: {duration(seconds)}"]
    each = f" x {devices} devices" if devices > 1 else ""
    return [f"{said}: {duration(seconds)}, {_money(seconds * devices * price / 3600)} at {price:g} an hour{each}"]


def duration(seconds: float) -> str:
    """In the unit that needs neither zeros nor thousands."""
    for name, size, up_to in (("ms", 1e-3, 1.0), ("s", 1.0, 120.0), ("min", 60.0, 7200.0), ("h", 3600.0, 3600 * 96)):
        if seconds < up_to:
            return f"{_digits(seconds / size)} {name}"
    return f"{_digits(seconds / 86400)} days"


def _digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}" if number >= 0.001 else f"{number:.1g}"


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 0.1 else f"{amount:.2g}"
