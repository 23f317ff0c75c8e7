"""How do adapters become part of the weights?"""

import warnings
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer

from grpoctl.engines.trl.rollout import Model, core_of
from grpoctl.errors import Finding, ModelError


def merge(model: PeftModel, adapter: str, export_device: str) -> Model:
    """The model with its last adapters in its weights, each layer summed in float32 and rounded once.

    Weights in float32 come out as those that completions were drawn with, to the bit.
    """
    core = core_of(model)
    tied = getattr(core.config.get_text_config(), "tie_word_embeddings", False)
    _untie(core)
    device = "cuda" if export_device == "auto" and torch.cuda.is_available() else "cpu"
    layers: list[Any] = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    try:
        for layer in layers:
            _merge_layer(layer, device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of embeddings that are no longer tied, which is seen to here
            merged: Model = model.merge_and_unload()
    except (ValueError, RuntimeError) as error:  # infinite weights, a layer that cannot be merged
        reason = str(error).partition("\n")[0][:200]
        raise ModelError(Finding(f"cannot be merged ({reason})", "use --adapter", file=adapter)) from error
    if tied:
        _settle_tie(core)
    return merged


def _merge_layer(layer: Any, device: str) -> None:
    parameters = list(layer.get_base_layer().parameters())
    kept = [(parameter.dtype, parameter.device) for parameter in parameters]
    layer.to(device)
    for parameter in parameters:
        parameter.data = parameter.data.float()
    layer.merge(safe_merge=True)
    for parameter, (dtype, home) in zip(parameters, kept, strict=True):
        parameter.data = parameter.data.to(home, dtype)


def _untie(core: Any) -> None:
    """Shared embeddings get weights of their own where adapters reach one of them: the sum is for that one alone."""
    ends = [core.get_input_embeddings(), core.get_output_embeddings()]
    if not any(isinstance(each, BaseTunerLayer) for each in ends):
        return
    inner, outer = (each.get_base_layer() if isinstance(each, BaseTunerLayer) else each for each in ends)
    if outer is not None and outer.weight is inner.weight:
        outer.weight = torch.nn.Parameter(outer.weight.detach().clone(), requires_grad=False)


def _settle_tie(core: Any) -> None:
    """One weight in the file where both embeddings are still the same; else two, and a config that says so."""
    inner, outer = core.get_input_embeddings().weight, core.get_output_embeddings().weight
    same = inner is outer or torch.equal(inner, outer)
    for config in (core.config, core.config.get_text_config()):
        config.tie_word_embeddings = same
    if same:
        core.tie_weights()
