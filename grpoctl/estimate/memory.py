"""How much memory does a training take on one device, by part, at each moment of a step?

Weights, gradients, states and what autograd saves are counted. Fitted is what torch's allocator on a CPU holds beyond
what is in use; benchmarks/memory.py measures both. Nothing here was measured on a GPU or TPU.
"""

from dataclasses import dataclass

from grpoctl.estimate.activations import activations_of
from grpoctl.estimate.layout import Layout
from grpoctl.estimate.shapes import Shape

PARTS = (
    "weights", "reference", "LoRA", "16-bit copies", "gradients", "optimiser", "activations", "logits", "KV cache",
    "vLLM", "overhead",
)  # fmt: skip
Parts = dict[str, float]

# Python, torch, transformers and TRL before a model is loaded, and what the first step loads more.
LIBRARIES_CPU, FIRST_STEP_CPU = 549e6, 31e6
# CUDA's context and its libraries' work space.
LIBRARIES_GPU = 1.5e9
# Memory between an allocator's blocks, as a share of the activations: on a CPU fitted, on a GPU assumed. Adapters
# come with many short-lived blocks between those that stay. The second number is a share of the layer that is computed
# again, on top, where layers are.
LOST_FULL_CPU, LOST_LORA_CPU, LOST_GPU = (0.3, 0.4), (1.0, 2.0), (0.1, 0.0)

# Adapters are merged into a copy of the weights for the rollout where that is at most so large.
_MERGED_AT_MOST = 2 * 2**30


@dataclass(frozen=True)
class Memory:
    """Bytes on one device: by moment and part; `host` is what DeepSpeed keeps beside the devices."""

    moments: dict[str, Parts]
    host: float = 0.0

    @property
    def peak_moment(self) -> str:
        return max(self.moments, key=lambda moment: _sum(self.moments[moment]))

    @property
    def parts(self) -> Parts:
        """By part, at the moment that takes the most."""
        return self.moments[self.peak_moment]

    @property
    def total(self) -> float:
        return _sum(self.parts)


def memory_of(shape: Shape, layout: Layout, device_bytes: float | None = None) -> Memory:
    """For a device of that size, of which vLLM takes its share."""
    kept, host = _kept(shape, layout)
    act, buckets = activations_of(shape, layout), _buckets(layout)
    gradients = _gradients(layout) + buckets
    head = shape.embedding * 4 / layout.tensor_parallel if layout.trains_all else 0.0
    casts = shape.parameters * 2 if layout.autocast and layout.trains_all and layout.weight_bytes == 4 else 0.0
    vllm = layout.vllm_share * (device_bytes or 0.0) if layout.vllm == "colocate" else 0.0
    here = kept if layout.vllm_sleeps else kept | {"vLLM": vllm}
    before = here | {"gradients": gradients if layout.accumulation > 1 else buckets}
    # A checkpointed layer is computed anew with copies of its own.
    of_layers = casts / shape.layers if layout.checkpointing else casts
    begins = before | {"activations": act.saved, "logits": act.head_backward + head, "16-bit copies": of_layers}
    # A tied embedding gets its gradient in two parts.
    ends = here | {"gradients": gradients + (head if shape.tied else 0.0), "activations": act.one_layer}
    moments = {
        "rollout": kept | _rollout(shape, layout, vllm) | {"16-bit copies": casts, "gradients": buckets},
        "forward": before | {"activations": act.saved, "logits": act.head_forward, "16-bit copies": casts},
        "backward": max(begins, ends, key=_sum),
        "update": here | {"gradients": gradients, "optimiser": kept["optimiser"] + _moving(shape, layout)},
    }
    again = act.one_layer if layout.checkpointing else 0.0
    return Memory({moment: _with_overhead(parts, layout, again) for moment, parts in moments.items()}, host)


def _kept(shape: Shape, layout: Layout) -> tuple[Parts, float]:
    """What is there at every moment, and what the host keeps instead."""
    linear = shape.in_linear * layout.linear_bytes
    base = linear + (shape.parameters - shape.in_linear) * layout.weight_bytes
    split = layout.tensor_parallel * (layout.data_parallel if layout.zero == 3 else 1)
    adapters = 0.0 if layout.trains_all else layout.trained * layout.trained_bytes / split
    optimiser = layout.trained * layout.state_bytes * _share(layout, 1)
    weights, reference = base / split, base / split if layout.keeps_a_reference else 0.0
    at_work = 2 * base / shape.layers / layout.tensor_parallel  # whole layers, gathered from where their parts are
    host = 0.0
    if layout.offloads_weights:
        host += (weights + reference) * layout.data_parallel
        weights, reference = at_work, 0.0
    elif layout.zero == 3 and layout.data_parallel > 1:
        weights += at_work
    if layout.offloads_optimiser:
        host += (optimiser + layout.trained * 4 * _share(layout, 1)) * layout.data_parallel
        optimiser = 0.0
    return {"weights": weights, "reference": reference, "LoRA": adapters, "optimiser": optimiser}, host


def _share(layout: Layout, from_stage: int) -> float:
    """What one device holds of a thing that ZeRO splits from this stage on."""
    return 1 / layout.tensor_parallel / (layout.data_parallel if layout.zero >= from_stage else 1)


def _gradients(layout: Layout) -> float:
    whole = layout.trained * layout.gradient_bytes
    return 0.0 if layout.offloads_optimiser and layout.zero >= 2 else whole * _share(layout, 2)


def _buckets(layout: Layout) -> float:
    """What gradients are copied into to be sent, which is there from the first step to the last."""
    return layout.trained * layout.gradient_bytes if layout.buckets else 0.0


def _moving(shape: Shape, layout: Layout) -> float:
    """What the optimiser computes its step in: all values at once on a GPU, one weight at a time elsewhere."""
    if layout.offloads_optimiser:
        return 0.0
    if layout.copies_to_move:
        return layout.trained * 4 * _share(layout, 1)
    largest = shape.embedding if layout.trains_all else layout.rank * max(shape.intermediate, shape.hidden)
    return 2 * 4 * largest * _share(layout, 1)


def _rollout(shape: Shape, layout: Layout, vllm: float) -> Parts:
    if layout.vllm is not None:
        return {"vLLM": vllm}
    rows, width, split = layout.drawn, layout.compute_bytes, layout.tensor_parallel
    cache = 2 * shape.layers * shape.keys * rows * layout.length * width
    # One layer's grown copy, and its keys and values repeated for the queries.
    working = 2 * (shape.keys + shape.queries) * rows * layout.length * width
    parts = {"KV cache": (cache + working) / split, "logits": 4 * rows * shape.vocabulary * 4 / split}
    merged = shape.in_linear * 4
    if not layout.trains_all and not layout.jax and layout.linear_bytes == 4 and merged <= _MERGED_AT_MOST:
        parts["LoRA"] = layout.trained * layout.trained_bytes + merged
    return parts


def _with_overhead(parts: Parts, layout: Layout, again: float) -> Parts:
    whole = {name: parts.get(name, 0.0) for name in PARTS}
    kept, computed_again = LOST_GPU if not layout.on_cpu else LOST_FULL_CPU if layout.trains_all else LOST_LORA_CPU
    libraries = LIBRARIES_CPU + FIRST_STEP_CPU if layout.on_cpu else LIBRARIES_GPU
    lost = kept * whole["activations"] + computed_again * again if whole["activations"] else 0.0
    whole["overhead"] = libraries + lost
    return whole


def _sum(parts: Parts) -> float:
    return sum(parts.values())
