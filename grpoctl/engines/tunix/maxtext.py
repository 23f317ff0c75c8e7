"""How does a Hugging Face folder or a MaxText checkpoint become a MaxText model on a mesh of devices?

A folder is read straight into the model: no copy in another format, and no torch. Which weight is which is in
maxtext_weights.py, and adapters are in maxtext_lora.py.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from flax import nnx
from jax import numpy as jnp
from jax.sharding import Mesh
from maxtext.configs import pyconfig
from maxtext.layers.nnx_decoders import NNXDecoder
from maxtext.utils.globals import MAXTEXT_CONFIGS_DIR
from maxtext.utils.model_creation_utils import from_pretrained

from grpoctl.engines.tunix.maxtext_arguments import OFFLOADS
from grpoctl.engines.tunix.maxtext_weights import fill
from grpoctl.errors import Finding, ModelError, nearest


def load_model(
    source: Path | str, arguments: Mapping[str, Any], *, devices: Sequence[Any] | None = None
) -> tuple[nnx.Module, Mesh, Any]:
    """The model, its mesh, and how MaxText's names of axes lie on it.

    `source` is a Hugging Face folder, or the path of a MaxText checkpoint's `items`, here or in a bucket. The devices
    are the first ones unless they are given.
    """
    _refuse(arguments)
    is_checkpoint = isinstance(source, str)
    config = _configuration(arguments, str(source) if is_checkpoint else "")
    count = config.ici_fsdp_parallelism * config.ici_tensor_parallelism
    try:
        model, mesh = from_pretrained(
            config, devices=list(devices or jax.devices())[:count], wrap_with_tunix_adapter=True
        )
    except Exception as error:  # orbax's, tensorstore's, XLA's and MaxText's own
        where = f" from {source}" if is_checkpoint else ""
        problem = f"is {config.model_name}, which MaxText cannot load{where} ({_first_line(error)})"
        fix = "check that it is an unscanned checkpoint of that model, and that mesh divides its sizes"
        raise ModelError(
            Finding(problem, fix, key="maxtext_model" if is_checkpoint else "model_name_or_path")
        ) from error
    _mend(model)
    if is_checkpoint:
        _unfold_query_scale(model)
    else:
        fill(model, Path(source))
    return model, mesh, config.logical_axis_rules


# --- the configuration


def _refuse(arguments: Mapping[str, Any]) -> None:
    """What MaxText would end the process for, or take without a word."""
    if arguments["attention"] == "flash" and arguments["hardware"] == "cpu":
        raise ModelError(Finding("is flash, which needs a TPU or a GPU", "use autoselected", key="attention"))
    odd = [key for key, value in arguments.items() if value == "offload" and key not in OFFLOADS]
    if odd:
        close = nearest(odd[0], OFFLOADS)
        fix = f"did you mean {close}?" if close else f"name some of {', '.join(OFFLOADS)}"
        raise ModelError(Finding(f"names {odd[0]}, which no layer has", fix, key="remat_offload"))
    tensor = arguments["ici_tensor_parallelism"]
    heads = arguments.get("base_num_kv_heads", tensor)
    if heads % tensor:
        problem = f"splits each layer in {tensor}, and it has {heads} heads of keys and values"
        raise ModelError(Finding(problem, f"use a tensor that divides {heads}", key="mesh"))
    count, there = arguments["ici_fsdp_parallelism"] * tensor, len(jax.devices())
    if count > there:
        raise ModelError(Finding(f"asks for {count} devices, and there are {there}", "ask for fewer", key="mesh"))


def _configuration(arguments: Mapping[str, Any], checkpoint: str) -> Any:
    for noisy in ("maxtext", "maxtext.configs.pyconfig"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    flags = os.environ.get("XLA_FLAGS")
    try:
        # Its public initialize() ends the process at the first error and writes to /dev/termination-log.
        values = pyconfig._initialize_pydantic(
            ["", str(Path(MAXTEXT_CONFIGS_DIR) / "base.yml")], **arguments, load_parameters_path=checkpoint
        )
        return pyconfig.HyperParameters(values)
    except Exception as error:
        problem = f"is not to MaxText's liking ({_first_line(error)})"
        raise ModelError(Finding(problem, "change that", file="recipe")) from error
    finally:
        # It asks XLA for a dump of every program from here on, in this process and its children.
        if flags is None:
            os.environ.pop("XLA_FLAGS", None)
        else:
            os.environ["XLA_FLAGS"] = flags


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:200].rstrip(".") or type(error).__name__


# --- the model


def _mend(model: Any) -> None:
    """What this model computes otherwise than the recipe or the Hugging Face model says."""
    decoder = model.base.decoder
    decoder.__class__ = _Decoder
    for layer in _layers(model):
        # Llama's has the scale of its queries in their weights, where Adam would move them by another measure.
        layer.self_attention.query_pre_attn_scalar = model.base.config.head_dim**-0.5


class _Decoder(NNXDecoder):  # type: ignore[misc]
    """MaxText's, which kept nothing where it was told to keep everything, and had a head of bfloat16 in all types."""

    def get_remat_policy(self) -> Any:
        if self.config.remat_policy in (None, "none"):
            return jax.checkpoint_policies.everything_saveable
        return super().get_remat_policy()

    def apply_output_head(self, shared_embedding: Any, y: jax.Array, *args: Any, **kwargs: Any) -> jax.Array:
        if not self.config.logits_via_embedding or self.config.dtype != jnp.float32:
            logits: jax.Array = super().apply_output_head(shared_embedding, y, *args, **kwargs)
            return logits
        return jnp.dot(self.decoder_norm(y), shared_embedding.embedding[...].T)


def _layers(model: Any) -> Iterator[Any]:
    decoder = model.base.decoder
    for number in range(model.base.config.num_decoder_layers):
        layer = getattr(decoder, f"layers_{number}", None)
        yield decoder.layers[number] if layer is None else layer


def _unfold_query_scale(model: Any) -> None:
    """A Llama checkpoint of MaxText's has the scale in the weights of the queries; see _mend."""
    config = model.base.config
    if not config.model_name.startswith("llama"):
        return
    for layer in _layers(model):
        kernel = layer.self_attention.query.kernel
        kernel.set_value((kernel[...].astype(jnp.float32) * config.head_dim**0.5).astype(kernel.dtype))
