"""How long does a step take, and what does a run cost? From floating-point operations and bytes moved.

Of a GPU or TPU it is what the hardware allows at the shares below, so the least to expect: what Python does between two
kernels is not in it, and without vLLM that can be most of a rollout's time. On a CPU it is in it.
"""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from grpoctl.estimate.devices import Device
from grpoctl.estimate.layout import Layout
from grpoctl.estimate.shapes import Shape


@dataclass(frozen=True)
class Reached:
    """Shares of a device's rates that a step reaches, and seconds a layer that go by beside."""

    drawing: float
    training: float
    drawing_bandwidth: float
    bandwidth: float
    token_s: float = 0.0  # for each token that is drawn for all completions together
    pass_s: float = 0.0  # forwards or backwards


# Of the makers' peaks, what well-fed layers reach.
_BY_MAKER = Reached(drawing=0.4, training=0.4, drawing_bandwidth=0.7, bandwidth=0.7)
# Of what a core was measured at: fitted to the nine cases of benchmarks/step_measured.json, with one thread, by
# step_phases.py. Python and small operations are the time beside.
_ON_CPU = Reached(drawing=0.28, training=0.5, drawing_bandwidth=0.28, bandwidth=0.2, token_s=1.2e-3, pass_s=8e-3)


@dataclass(frozen=True)
class StepTime:
    """Seconds of the parts of an optimiser step."""

    seconds: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def step_time(shape: Shape, layout: Layout, device: Device) -> StepTime | None:
    """None where the device's rates are not known."""
    if device.tflops is None or device.gb_per_s is None:
        return None
    reached = _ON_CPU if device.measured else _BY_MAKER
    peak, bytes_a_second = device.tflops * 1e12 * layout.tensor_parallel, device.gb_per_s * 1e9 * layout.tensor_parallel
    rate = peak * reached.training
    beside = shape.layers * layout.accumulation * reached.pass_s
    forward = _forward(shape, layout.length, layout.completions * layout.accumulation * layout.length) / rate + beside
    trained = layout.accumulation * layout.trained_tokens
    training = _forward(shape, layout.length, trained) / rate
    # The backward pass computes the gradient of what comes in, and of the weights where they are trained.
    backward = training * ((2 if layout.trains_all else 1) + (1 if layout.checkpointing else 0))
    drawing = _draw(shape, layout, peak * reached.drawing, bytes_a_second * reached.drawing_bandwidth)
    seconds = {
        "prompts": _forward(shape, layout.prompt_tokens, layout.prompts * layout.accumulation * layout.prompt_tokens)
        / rate,
        "completions": drawing + layout.completion_tokens * shape.layers * reached.token_s,
        "reference": forward * layout.beta,
        "old policy": forward * (layout.iterations > 1) / layout.iterations,
        "forward": training + beside,
        "backward": backward + beside,
        "optimiser": _moved(layout) / (bytes_a_second * reached.bandwidth),
        "between devices": _sent(shape, layout) / (device.link_gb_per_s * 1e9) if device.link_gb_per_s else 0.0,
    }
    for part in ("prompts", "completions", "reference"):  # a batch of completions serves several steps
        seconds[part] /= layout.iterations
    return StepTime({part: value for part, value in seconds.items() if value})


def _forward(shape: Shape, length: int, tokens: int) -> float:
    """Operations: two for each parameter and token, and attention over the half of the tokens that came before."""
    used = shape.in_linear + shape.embedding
    return 2.0 * tokens * (used + shape.layers * shape.queries * length)


def _draw(shape: Shape, layout: Layout, rate: float, bandwidth: float) -> float:
    """Each token reads every weight once for all completions, and the cache; or computes, where that is longer."""
    weights = shape.in_linear * (layout.linear_bytes if not layout.autocast else min(layout.linear_bytes, 2.0))
    weights += shape.embedding * layout.compute_bytes
    half_way = layout.prompt_tokens + layout.completion_tokens / 2
    cache = 2 * shape.layers * shape.keys * layout.compute_bytes * layout.drawn * half_way
    computing = 2.0 * layout.drawn * (shape.in_linear + shape.embedding + shape.layers * 2 * shape.queries * half_way)
    return layout.completion_tokens * max((weights + cache) / bandwidth, computing / rate)


def _moved(layout: Layout) -> float:
    """Bytes that the optimiser reads and writes."""
    a_value = 2 * layout.trained_bytes + layout.gradient_bytes + 2 * layout.state_bytes
    return layout.trained * a_value / (layout.data_parallel if layout.zero else 1)


def _sent(shape: Shape, layout: Layout) -> float:
    """Bytes that each device sends in a step: gradients, and with ZeRO-3 the weights for each pass."""
    if layout.devices == 1:
        return 0.0
    others = (layout.data_parallel - 1) / layout.data_parallel
    sent = 2 * layout.trained * layout.gradient_bytes * others
    if layout.zero == 3:
        passes = 2 + layout.checkpointing
        sent += passes * layout.accumulation * shape.parameters * layout.weight_bytes * others / layout.tensor_parallel
    if layout.tensor_parallel > 1:
        # Two sums over the devices for each layer and pass.
        tokens = layout.accumulation * layout.trained_tokens
        sent += 3 * 2 * shape.layers * tokens * shape.hidden * layout.compute_bytes
    return sent


def measured_rates() -> tuple[float, float] | None:
    """What one core multiplies in TFLOP/s and copies in GB/s: the best of many short tries."""
    # Threads that wait for each other would measure how busy the machine is.
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    try:
        import numpy as np
    except ImportError:
        return None
    # Small enough that a try can pass undisturbed on a busy machine.
    block = np.ones((256, 256), np.float32)
    source = bytearray(32 * 2**20)
    target = memoryview(bytearray(len(source)))

    def multiply() -> object:
        return block @ block

    def copy() -> object:
        target[:] = source
        return None

    return 2 * 256**3 / _shortest(multiply) / 1e12, 2 * len(source) / _shortest(copy) / 1e9


def _shortest(work: Callable[[], object]) -> float:
    """Seconds of the fastest try in a fifth of a second."""
    best, end = math.inf, time.perf_counter() + 0.2
    while time.perf_counter() < end:
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best
