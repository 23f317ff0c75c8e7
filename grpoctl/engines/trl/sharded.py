"""How is a model whole for a while, where each process keeps a part of its weights?

ZeRO-3 and FSDP2 gather each layer as it is run, which asks every process to run as many: not so where completions
differ in length, or where one process alone evaluates.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accelerate import Accelerator

from grpoctl.errors import Finding, InputError
from grpoctl.recipe.schema import Recipe


@contextmanager
def whole_weights(model: Any, accelerator: Accelerator) -> Iterator[None]:
    """All weights on each process, until the block ends. Every process has to come here; models that are whole stay."""
    plugin = accelerator.state.deepspeed_plugin if accelerator.distributed_type == "DEEPSPEED" else None
    if plugin is not None and plugin.zero_stage == 3:
        from trl.models import unwrap_model_for_generation

        with unwrap_model_for_generation(model, accelerator), _without_deepspeeds_count(model):
            yield
    elif accelerator.distributed_type == "FSDP":
        with _unsharded(model, reshards=bool(accelerator.state.fsdp_plugin.reshard_after_forward)):
            yield
    else:
        yield


@contextmanager
def _without_deepspeeds_count(model: Any) -> Iterator[None]:
    """TRL takes out DeepSpeed's hooks but for one, by which the processes compare how far each pass has come."""
    offload = getattr(getattr(model, "optimizer", None), "parameter_offload", None)
    if offload is None:  # before the first step
        yield
        return
    hooks, place = offload.module._forward_pre_hooks, offload.fwd_pre_hook.id
    compare = hooks.pop(place)
    try:
        yield
    finally:
        hooks[place] = compare


@contextmanager
def _unsharded(model: Any, *, reshards: bool) -> Iterator[None]:
    from torch.distributed.fsdp import FSDPModule

    parts = [part for part in model.modules() if isinstance(part, FSDPModule)]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            part.set_reshard_after_forward(reshards, recurse=False)


def begin_deepspeed(*, on_cpu: bool) -> None:
    """Let DeepSpeed join the processes that have met, before a model is read: ZeRO-3 splits it as it is."""
    deepspeed: Any = importlib.import_module("deepspeed")  # it may not be here, for the type checker too

    if on_cpu:
        # Its sums through shared memory are compiled for a minute and a half at the first start; gloo's are there.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(auto_mpi_discovery=False, verbose=False)


def refuse_unsplit(recipe: Recipe, accelerator: Accelerator) -> None:
    """Where accelerate cannot split, it says nothing and keeps a copy on each process."""
    if recipe.fsdp is not None and accelerator.distributed_type != "FSDP":
        problem = f"is {recipe.fsdp}, and accelerate splits nothing on a {accelerator.device.type.upper()}"
        raise InputError(Finding(problem, "take it out, or use deepspeed", key="fsdp"))
