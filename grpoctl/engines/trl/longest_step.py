"""Does the longest step that the recipe allows fit the memory? It is tried before anything is trained.

What a later step holds beside it, the optimiser's state above all, is stood in for by memory of that size.
"""

import logging

import torch

from grpoctl.engines.base import TrainJob
from grpoctl.engines.trl.trainer import GroupTrainer
from grpoctl.errors import ModelError
from grpoctl.estimate import Estimate, estimate
from grpoctl.estimate.devices import GIB, device_of
from grpoctl.machine import read_machine
from grpoctl.process_memory import peak_bytes, set_peak_back

_log = logging.getLogger(__name__)


def try_longest_step(job: TrainJob, trainer: GroupTrainer) -> None:
    """Rehearse it, and tell of its peak beside the estimate. Nothing that the run is made of has moved after it."""
    device, recipe = trainer.accelerator.device, job.recipe
    prompt_tokens = trainer.longest_prompt()
    try:
        found = estimate(recipe, device_of(recipe, read_machine())[0], prompt_tokens)
    except ModelError:  # a kind of model whose memory cannot be reckoned
        found = None
    job.on_phase("trying the longest step", 0)
    set_peak_back_on(device)
    beside = _stand_in(_state_bytes(found), device)
    trainer.rehearse_longest(lambda: _stand_in(_moving_bytes(found), device))
    taken = peak_on(device)
    del beside
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if trainer.accelerator.is_main_process:
        reckoned = f"{found.total_gib:.2f} GiB by the estimate" if found else "which no estimate is known for"
        _log.info(
            "the longest step fits: prompts of %d and completions of %d tokens take %.2f GiB, %s.",
            prompt_tokens, recipe.max_completion_length, taken / GIB, reckoned,
        )  # fmt: skip


def _state_bytes(found: Estimate | None) -> int:
    """The optimiser's state, which is made in the first step, and what gradients are copied into to be sent."""
    if found is None:
        return 0
    layout = found.layout
    return int(layout.trained * (layout.state_bytes + (layout.gradient_bytes if layout.buckets else 0)))


def _moving_bytes(found: Estimate | None) -> int:
    """What the optimiser computes its step in."""
    if found is None:
        return 0
    moments = found.memory.moments
    return int(moments["update"]["optimiser"] - moments["forward"]["optimiser"])


def _stand_in(size: int, device: torch.device) -> torch.Tensor:
    return torch.ones(size, dtype=torch.uint8, device=device)  # written to, as a CPU counts no page before


def set_peak_back_on(device: torch.device) -> None:
    """Let the peak be counted from here on."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    else:
        set_peak_back()


def peak_on(device: torch.device) -> float:
    """Bytes: on a GPU with what CUDA itself takes, and whatever else is on the device."""
    if device.type != "cuda":
        return peak_bytes()
    free, whole = torch.cuda.mem_get_info(device)
    return torch.cuda.max_memory_reserved(device) + (whole - free - torch.cuda.memory_reserved(device))
