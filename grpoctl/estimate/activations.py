"""What do the layers and the head keep for the backward pass?

Counted from the tensors that each operation of a layer saves (benchmarks/memory_saved.py counts them in torch).
"""

from dataclasses import dataclass

from grpoctl.estimate.layout import Layout
from grpoctl.estimate.shapes import Shape

# TRL computes log-probabilities on tiles of so many tokens and so much of the vocabulary.
_TILE_TOKENS, _TILE_VOCABULARY = 4096, 32768
# Float32 tiles that are alive at once where torch computes them, on a CPU; a GPU's kernel works in one.
_TILES_FORWARD, _TILES_BACKWARD = 4.0, 8.25


@dataclass(frozen=True)
class Activations:
    """Bytes: kept by all layers, needed by one layer's backward pass, and the head's in both passes."""

    saved: float
    one_layer: float
    head_forward: float
    head_backward: float


def activations_of(shape: Shape, layout: Layout) -> Activations:
    tokens = layout.trained_tokens
    one = tokens * saved_bytes(shape, layout)
    behind = tokens * shape.hidden * 12  # the last norm's input and output, and the head's input
    kept = shape.layers * (tokens * shape.hidden * layout.hidden_bytes if layout.checkpointing else one)
    if layout.checkpointing and layout.shares_prompts:  # which completions read when they are computed again
        shared = layout.prompts * (layout.prompt_tokens - 1)
        kept += shape.layers * shared * 2 * shape.keys * layout.compute_bytes
    rows = layout.completions * _scored(layout)
    forward, backward = _head(shape, layout, rows)
    return Activations(
        saved=kept + behind + (one if layout.checkpointing else 0.0),
        one_layer=one,
        head_forward=forward,
        head_backward=backward + rows * shape.hidden * 4,
    )


def saved_bytes(shape: Shape, layout: Layout) -> float:
    """For a token and layer. Torch repeats keys and values as wide as the queries under a mask, and saves them so."""
    if layout.jax:
        return _saved_by_jax(shape, layout)
    full, norms = layout.trains_all, shape.head_norms
    if layout.autocast:
        hidden, inner = (26, 8) if full else (18, 8)
        queries, keys = (14, 6 if full else 4) if norms else (8 if full else 10, 0)
    else:
        hidden, inner = (24, 16) if full else (16, 16)
        queries, keys = ((24, 8) if full else (20, 4)) if norms else (16, 0)
    per_size = (hidden * shape.hidden, inner * shape.intermediate, queries * shape.queries, keys * shape.keys)
    adapters, mask = 7 * layout.rank * layout.compute_bytes, layout.length * layout.compute_bytes
    return sum(per_size) + adapters + mask


def _saved_by_jax(shape: Shape, layout: Layout) -> float:
    """From the source: Tunix's plain attention keeps its scores, in float32 and in the type that layers compute in."""
    width = layout.compute_bytes
    scores = shape.heads * layout.length * (4 + 2 * width)
    inner = (4 * shape.intermediate + 4 * shape.queries + 4 * shape.keys) * width
    return 6 * shape.hidden * width + (scores + inner) / layout.tensor_parallel


def _scored(layout: Layout) -> int:
    """Positions of a completion that the head sees."""
    if layout.jax:
        return layout.length
    if layout.shares_prompts:
        return layout.completion_tokens + 1
    return layout.length - 1 if layout.on_cpu else layout.completion_tokens


def _head(shape: Shape, layout: Layout, rows: int) -> tuple[float, float]:
    if layout.jax:
        # Logits of all positions, and in float32 once more forward and thrice backward (benchmarks/memory_xla.py).
        logits = rows * shape.vocabulary / layout.tensor_parallel
        return logits * (layout.compute_bytes + 4), logits * (layout.compute_bytes + 12)
    tile = min(rows, _TILE_TOKENS) * min(shape.vocabulary, _TILE_VOCABULARY)
    if layout.on_cpu:
        return tile * 4 * _TILES_FORWARD, tile * 4 * _TILES_BACKWARD
    return tile * layout.compute_bytes, tile * layout.compute_bytes
