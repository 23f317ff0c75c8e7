"""Which parts of Tunix's Llama and Gemma 3 are replaced here, and why?

Both compute in the type of their weights, so that float32 weights could not be trained with bfloat16 arithmetic: their
layers are replaced by those of Tunix's Qwen 3, which cast. Gemma 3's norms and its softmax ran in the type of their
input, where transformers takes float32. And its keys and values were one tensor, on which an adapter would be shared:
they become two.
"""

from typing import Any

import jax
from flax import nnx
from jax import numpy as jnp
from tunix.models.gemma3 import model as gemma3
from tunix.models.llama3 import model as llama3
from tunix.models.qwen3 import model as qwen3


def mend(model: Any, config: dict[str, Any], dtype: Any, param_dtype: Any) -> None:
    """Put the parts in place, in a model without weights."""
    kinds = {"dtype": dtype, "param_dtype": param_dtype, "rngs": nnx.Rngs(0)}
    if config["model_type"] == "llama":
        _mend_llama(model, kinds)
    if config["model_type"] == "gemma3_text":
        _mend_gemma(model, config.get("rms_norm_eps", 1e-6), kinds)


def _mend_llama(model: Any, kinds: dict[str, Any]) -> None:
    config, sharding = model.config, model.config.shd_config
    model.__class__ = _Llama
    norm = {"norm_eps": config.norm_eps, "shd_config": sharding, **kinds}
    model.embedder = qwen3.Embedder(config.vocab_size, config.embed_dim, shd_config=sharding, **kinds)
    model.final_norm = qwen3.RMSNorm(config.embed_dim, **norm)
    if hasattr(model, "lm_head"):
        model.lm_head = _like(model.lm_head, sharding.emb_dv, kinds)
    for layer in model.layers:
        layer.input_layernorm = qwen3.RMSNorm(config.embed_dim, **norm)
        layer.post_attention_layernorm = qwen3.RMSNorm(config.embed_dim, **norm)
        layer.attn.q_proj = _like(layer.attn.q_proj, sharding.q_weight_dnh, kinds)
        layer.attn.k_proj = _like(layer.attn.k_proj, sharding.kv_weight_dnh, kinds)
        layer.attn.v_proj = _like(layer.attn.v_proj, sharding.kv_weight_dnh, kinds)
        layer.attn.o_proj = _like(layer.attn.o_proj, sharding.o_weight_nhd, kinds)
        _set_types(layer.mlp, kinds)


def _like(einsum: Any, sharding: tuple[str | None, ...], kinds: dict[str, Any]) -> Any:
    return qwen3.Einsum(einsum.einsum_str, einsum.shape, sharding=sharding, **kinds)


def _set_types(mlp: Any, kinds: dict[str, Any]) -> None:
    for linear in (mlp.gate_proj, mlp.up_proj, mlp.down_proj):
        linear.dtype = kinds["dtype"]
        linear.kernel.set_value(jnp.zeros(linear.kernel.shape, kinds["param_dtype"]))


def _mend_gemma(model: Any, eps: float, kinds: dict[str, Any]) -> None:
    dtype = kinds["dtype"]
    model.embedder.__class__, model.embedder.dtype = _Embedder, dtype
    _set_norm(model.final_norm, eps, dtype)
    for layer in model.layers:
        for norm in (layer.pre_attention_norm, layer.post_attention_norm, layer.pre_ffw_norm, layer.post_ffw_norm):
            _set_norm(norm, eps, dtype)
        _set_norm(layer.attn._key_norm, eps, dtype)
        # float32 queries make float32 scores, which the softmax then sees
        _set_norm(layer.attn._query_norm, eps, jnp.float32)
        _split_projections(layer.attn, model.config, kinds)
        _set_types(layer.mlp, kinds)


def _set_norm(norm: Any, eps: float, dtype: Any) -> None:
    norm.__class__, norm.eps, norm.dtype = _Norm, eps, dtype


def _split_projections(attention: Any, config: Any, kinds: dict[str, Any]) -> None:
    sharding, shape = config.shd_config, (config.embed_dim, config.num_heads, config.head_dim)
    fsdp, heads = sharding.q_weight_ndh[1], sharding.q_weight_ndh[0]

    def projection(count: int) -> Any:
        names = (fsdp, heads if count > 1 else None, None)
        return qwen3.Einsum("BTD,DNH->BTNH", (shape[0], count, shape[2]), sharding=names, **kinds)

    query, key, value = projection(shape[1]), projection(config.num_kv_heads), projection(config.num_kv_heads)
    if hasattr(attention, "qkv_einsum"):
        attention.qkv_einsum = _Together({"q_proj": query, "k_proj": key, "v_proj": value})
    else:
        # Tunix reads the number of heads from here.
        query.shape = (shape[1], shape[0], shape[2])
        attention.q_einsum, attention.kv_einsum = query, _Together({"k_proj": key, "v_proj": value})
    attention.attn_vec_einsum = _like(attention.attn_vec_einsum, sharding.o_weight_nhd, kinds)


class _Together(nnx.Module):
    """Projections of one input, side by side, in place of one tensor that held them all."""

    def __init__(self, parts: dict[str, Any]) -> None:
        for name, part in parts.items():
            setattr(self, name, part)
        self.names = tuple(parts)
        width, heads, head_dim = next(iter(parts.values())).shape
        self.shape = (len(parts), heads, width, head_dim)  # as Tunix's own has it, who reads the number of heads here

    def __call__(self, x: jax.Array) -> tuple[jax.Array, ...]:
        return tuple(getattr(self, name)(x) for name in self.names)


class _Llama(llama3.Llama3):  # type: ignore[misc]
    """Tunix's, whose scores come out as float32, as the other families' do."""

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[jax.Array, Any]:
        logits, cache = super().__call__(*args, **kwargs)
        return jnp.astype(logits, jnp.float32), cache


class _Embedder(gemma3.Embedder):  # type: ignore[misc]
    """Tunix's, whose numbers leave it in the type that the model computes in."""

    def encode(self, x: jax.Array) -> jax.Array:
        return jnp.astype(super().encode(x), self.dtype)

    def decode(self, x: jax.Array) -> jax.Array:
        weight = jnp.astype(self.input_embedding[...], self.dtype)
        return jnp.astype(jnp.dot(jnp.astype(x, self.dtype), weight.T), jnp.float32)


class _Norm(gemma3.RMSNorm):  # type: ignore[misc]
    """Tunix's, in float32 whatever comes in."""

    def __call__(self, x: jax.Array) -> jax.Array:
        x = jnp.astype(x, jnp.float32)
        normed = x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + self.eps)
        return jnp.astype(normed * (1 + jnp.astype(self.scale[...], jnp.float32)), self.dtype)
