"""How are completions drawn from a Hugging Face model? Each prompt is read once, and finished rows leave the batch.

The loop works for any causal model whose cache is transformers' own (`can_roll_out`). What is drawn depends on the
generator alone, so that a step's completions follow from its number and not from what ran before.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

Model: TypeAlias = PreTrainedModel | PeftModel

# Adapters are merged for the rollout where the merged copy of the weights costs no more than this.
_MERGE_AT_MOST_BYTES = 2 * 2**30

# Rows leave the batch once so many of it are still going on; moving the cache for each single one costs more.
_COMPACT_BELOW = 0.9


@dataclass(frozen=True)
class Draw:
    """How to draw: temperature 0 takes the likeliest token, 0 of top_k and 1 of top_p leave all tokens in."""

    max_tokens: int
    end_ids: tuple[int, ...]
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float | None = None

    @property
    def is_greedy(self) -> bool:
        return self.temperature == 0.0 or self.top_k == 1


@dataclass
class Drawn:
    """The completions, their last token an end token unless they were cut off, and each token's log-probability.

    The log-probabilities are those of the temperature alone: what the loss computes, whatever top_k and top_p leave.
    """

    ids: list[list[int]]
    log_probs: list[list[float]]


def can_roll_out(model: Model) -> bool:
    """Whether the model's cache is one whose rows can be repeated and dropped."""
    layers = DynamicCache(config=core_of(model).config.get_text_config()).layers
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)


def core_of(model: Model) -> PreTrainedModel:
    """The Hugging Face model inside its adapters."""
    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    core: PreTrainedModel = inner
    return core


@torch.no_grad()
def draw(
    model: Model,
    prompts: Sequence[Sequence[int]],
    how: Draw,
    generator: torch.Generator,
    *,
    log_probs: bool = False,
    heed: Callable[[int], bool] | None = None,
) -> Drawn:
    """One completion for each prompt, in order; equal prompts are read once.

    `heed` is told each token of a single prompt's completion as it is drawn, and ends it by returning True.
    """
    was_training = model.training
    model.eval()
    try:
        with merged_adapters(model), torch.inference_mode():
            return _draw(core_of(model), prompts, how, generator, log_probs, heed)
    finally:
        model.train(was_training)


def _draw(
    core: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    how: Draw,
    generator: torch.Generator,
    log_probs: bool,
    heed: Callable[[int], bool] | None,
) -> Drawn:
    device = core.device
    # The router's scores are for a loss, and of one token at a time they would not even have the right shape.
    extra = {"output_router_logits": False} if getattr(core.config, "output_router_logits", False) else {}
    logits, cache, mask, positions = _read(core, prompts, extra)
    count, room = len(prompts), how.max_tokens
    ids = torch.zeros(count, room, dtype=torch.long, device=device)
    scores = torch.zeros(count, room if log_probs else 0, device=device)
    lengths = torch.zeros(count, dtype=torch.long, device=device)
    ends = torch.tensor(how.end_ids, device=device)
    warpers = _warpers(how)
    rows = torch.arange(count, device=device)  # the completion that each row of the batch belongs to
    going = torch.ones(count, dtype=torch.bool, device=device)
    for step in range(room):
        logits = logits.float()
        tokens = _choose(warpers(None, logits), how, generator)
        ids[rows[going], step] = tokens[going]
        lengths[rows[going]] = step + 1
        if log_probs:
            scores[rows, step] = _log_prob_of(logits, tokens, how.temperature)
        going = going & ~torch.isin(tokens, ends)
        left = int(going.sum())
        if heed is not None and heed(int(tokens[0])):
            break
        if left == 0 or step == room - 1:
            break
        if left < _COMPACT_BELOW * len(going):
            kept = going.nonzero()[:, 0]
            rows, tokens, positions, mask, going = (each[kept] for each in (rows, tokens, positions, mask, going))
            cache.batch_select_indices(kept)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        positions = positions + 1
        logits = core(
            input_ids=tokens[:, None],
            attention_mask=mask,
            position_ids=positions[:, None],
            past_key_values=cache,
            use_cache=True,
            **extra,
        ).logits[:, -1]
    cut = lengths.tolist()
    return Drawn(
        [row[:length] for row, length in zip(ids.tolist(), cut, strict=True)],
        [row[:length] for row, length in zip(scores.tolist(), cut, strict=True)],
    )


def _read(
    core: PreTrainedModel, prompts: Sequence[Sequence[int]], extra: dict[str, Any]
) -> tuple[Tensor, DynamicCache, Tensor, Tensor]:
    """Next-token logits, cache, mask and last position of each prompt, each different one read once."""
    keys = [tuple(prompt) for prompt in prompts]
    different = list(dict.fromkeys(keys))
    place = {prompt: index for index, prompt in enumerate(different)}
    width = max(map(len, different))
    ids = torch.zeros(len(different), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(different):  # filled on the left, so that all answers begin in one column
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    ids, mask = ids.to(core.device), mask.to(core.device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=core.config.get_text_config())
    logits = core(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
        **extra,
    ).logits[:, -1]
    if len(different) == len(prompts):
        return logits, cache, mask, positions[:, -1]
    repeated = torch.tensor([place[key] for key in keys], device=core.device)
    cache.batch_select_indices(repeated)
    return logits[repeated], cache, mask[repeated], positions[repeated, -1]


def _warpers(how: Draw) -> LogitsProcessorList:
    chosen = LogitsProcessorList()
    if how.is_greedy:  # the likeliest token stays the likeliest
        return chosen
    if how.temperature not in (0.0, 1.0):
        chosen.append(TemperatureLogitsWarper(how.temperature))
    if how.top_k > 0:
        chosen.append(TopKLogitsWarper(top_k=how.top_k))
    if how.top_p < 1.0:
        chosen.append(TopPLogitsWarper(top_p=how.top_p))
    if how.min_p:
        chosen.append(MinPLogitsWarper(min_p=how.min_p))
    return chosen


def _choose(logits: Tensor, how: Draw, generator: torch.Generator) -> Tensor:
    """A token for each row: the likeliest, or one drawn by adding Gumbel noise, which needs no normalised scores."""
    if how.is_greedy:
        return logits.argmax(-1)
    noise = torch.empty_like(logits).exponential_(generator=generator)
    # Its logarithm must be finite, or a token that top_k left out (-inf) would become NaN, which argmax takes.
    noise = noise.clamp_(min=1e-30).log_()
    return (logits - noise).argmax(-1)


def _log_prob_of(logits: Tensor, tokens: Tensor, temperature: float) -> Tensor:
    scaled = logits / (temperature or 1.0)
    return scaled.gather(-1, tokens[:, None])[:, 0] - scaled.logsumexp(-1)


@contextmanager
def merged_adapters(model: Model) -> Iterator[None]:
    """Plain LoRA added into the weights while completions are drawn, and the very same weights back afterwards.

    Taking the sum apart again would leave rounding in the frozen weights, and a resumed run would differ.
    """
    layers = _mergeable(model)
    kept = [layer.get_base_layer().weight.data for layer in layers]
    try:
        for layer in layers:
            layer.merge(safe_merge=True)
        yield
    finally:
        for layer, weight in zip(layers, kept, strict=True):
            layer.get_base_layer().weight.data = weight
            layer.merged_adapters.clear()


def _mergeable(model: Model) -> list[Any]:
    """The layers whose adapters can be merged exactly: all of them, or none."""
    if not isinstance(model, PeftModel):
        return []
    layers: list[Any] = [module for module in model.modules() if isinstance(module, LoraLayer)]
    weights = [getattr(layer.get_base_layer(), "weight", None) for layer in layers]
    plain = all(
        isinstance(layer.get_base_layer(), torch.nn.Linear) and not any(layer.use_dora.values()) for layer in layers
    )
    # In bfloat16 the sum would be rounded, and the answers would come from another model than the one trained.
    exact = all(weight is not None and weight.dtype == torch.float32 for weight in weights)
    size = sum(weight.numel() * weight.element_size() for weight in weights if weight is not None)
    return layers if plain and exact and size <= _MERGE_AT_MOST_BYTES else []
