"""How likely is each token of the completions? Each different prompt is computed once, whatever the group's size.

G completions share a prompt, so its keys and values are computed once, with their gradients, and every completion reads
them from there; the head sees completion positions alone. The numbers are those of the plain pass up to rounding.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from grpoctl.engines.trl.computed_again import Kept, can_compute_again, kept_by_layers, read_by_layers
from grpoctl.engines.trl.rollout import Model, core_of


def can_share_prompts(model: Model, *, computed_again: bool = False) -> bool:
    """Whether every layer attends to all that came before, through a cache that gradients pass."""
    core = core_of(model)
    # Two kinds of layers would each want a mask of their own over the shared prompt.
    layers = DynamicCache(config=core.config.get_text_config()).layers
    return all(type(layer) is DynamicLayer for layer in layers) and (not computed_again or can_compute_again(core))


def completion_log_probs(
    model: Any,
    core: Any,
    prompt_ids: Tensor,
    prompt_mask: Tensor,
    completion_ids: Tensor,
    completion_mask: Tensor,
    *,
    computed_again: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Log-probability and entropy of each completion token.

    `model` is what TRL trains, with TRL's fused head in it; `core` is the Hugging Face model inside. With
    `computed_again`, its layers' activations are computed anew in the backward pass.
    """
    # A step's rows are as wide as its longest, and its parts rarely: what none of these rows fills is not computed, and
    # the same rows give the same numbers in whatever company they were drawn.
    width, blank = completion_ids.shape[1], int((prompt_mask.sum(0) == 0).sum())
    filled = max(1, int((completion_mask.sum(0) > 0).sum()))
    prompt_ids, prompt_mask = prompt_ids[:, blank:], prompt_mask[:, blank:]
    completion_ids, completion_mask = completion_ids[:, :filled], completion_mask[:, :filled]
    # The last prompt token is what the first completion token follows from, so it goes with the completion.
    heads, shared = prompt_ids[:, :-1], prompt_mask[:, :-1]
    cache = DynamicCache(config=core.config.get_text_config())
    reading: AbstractContextManager[None] = nullcontext()
    if heads.shape[1]:
        # A prompt is told apart by its tokens and its padding: a pad token may stand in a prompt too.
        first, group = _different(torch.cat([heads, shared], dim=1))
        keeping: AbstractContextManager[Kept] = kept_by_layers(core) if computed_again else nullcontext({})
        with keeping as kept:
            getattr(core, core.base_model_prefix)(
                input_ids=heads[first],
                attention_mask=shared[first],
                position_ids=(shared[first].cumsum(1) - 1).clamp(min=0),
                past_key_values=cache,
                use_cache=True,
            )
        if computed_again:
            cache.update(*kept[0], 0)  # whose length is all that is read of it
            reading = read_by_layers(core, kept, group)
        else:
            cache.batch_select_indices(group)
    ids = torch.cat([prompt_ids[:, -1:], completion_ids], dim=1)
    own_mask = torch.cat([prompt_mask[:, -1:], completion_mask], dim=1)
    start = prompt_mask.sum(1, keepdim=True) - 1
    with reading:
        outputs = model(
            input_ids=ids,
            attention_mask=torch.cat([prompt_mask[:, :-1], own_mask], dim=1),
            position_ids=start + torch.arange(ids.shape[1], device=ids.device),
            past_key_values=cache,
            labels=ids.masked_fill(own_mask == 0, -100),  # -100 is the ignore index
            fused_lm_head=True,
        )
    # TRL's head shifts: the scores at a position are those of the token behind it.
    entropy = outputs.entropy
    return pad(outputs.log_probs, (0, width - filled)), None if entropy is None else pad(entropy, (0, width - filled))


def _different(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Where each different row stands first, and which of them each row is."""
    unique, group = torch.unique(rows, dim=0, return_inverse=True)
    places = torch.arange(len(rows), device=rows.device)
    first = torch.full((len(unique),), len(rows), device=rows.device).scatter_reduce_(0, group, places, "amin")
    return first, group
