"""How likely is each token of the completions? Each different prompt is computed once, whatever the group's size.

G completions share a prompt, so its keys and values are computed once, with their gradients, and every completion reads
them from there; the head sees completion positions alone. The numbers are those of the plain pass up to rounding.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from grpoctl.engines.trl.rollout import Model, core_of


def can_share_prompts(model: Model) -> bool:
    """Whether every layer attends to all that came before, through a cache that gradients pass."""
    config = core_of(model).config.get_text_config()
    # Two kinds of layers would each want a mask of their own over the shared prompt.
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=config).layers)


def completion_log_probs(
    model: Any, core: Any, prompt_ids: Tensor, prompt_mask: Tensor, completion_ids: Tensor, completion_mask: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Log-probability and entropy of each completion token.

    `model` is what TRL trains, with TRL's fused head in it; `core` is the Hugging Face model inside.
    """
    # The last prompt token is what the first completion token follows from, so it goes with the completion.
    heads, shared = prompt_ids[:, :-1], prompt_mask[:, :-1]
    cache = DynamicCache(config=core.config.get_text_config())
    if heads.shape[1]:
        # A prompt is told apart by its tokens and its padding: a pad token may stand in a prompt too.
        first, group = _different(torch.cat([heads, shared], dim=1))
        getattr(core, core.base_model_prefix)(
            input_ids=heads[first],
            attention_mask=shared[first],
            position_ids=(shared[first].cumsum(1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
        )
        cache.batch_select_indices(group)
    ids = torch.cat([prompt_ids[:, -1:], completion_ids], dim=1)
    own_mask = torch.cat([prompt_mask[:, -1:], completion_mask], dim=1)
    start = prompt_mask.sum(1, keepdim=True) - 1
    outputs = model(
        input_ids=ids,
        attention_mask=torch.cat([prompt_mask[:, :-1], own_mask], dim=1),
        position_ids=start + torch.arange(ids.shape[1], device=ids.device),
        past_key_values=cache,
        labels=ids.masked_fill(own_mask == 0, -100),  # -100 is the ignore index
        fused_lm_head=True,
    )
    # TRL's head shifts: the scores at a position are those of the token behind it.
    return outputs.log_probs, outputs.entropy


def _different(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Where each different row stands first, and which of them each row is."""
    unique, group = torch.unique(rows, dim=0, return_inverse=True)
    places = torch.arange(len(rows), device=rows.device)
    first = torch.full((len(unique),), len(rows), device=rows.device).scatter_reduce_(0, group, places, "amin")
    return first, group
