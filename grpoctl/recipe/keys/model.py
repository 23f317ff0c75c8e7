"""Which model is trained, and how it is loaded?"""

from typing import Literal

from grpoctl.recipe.keys.base import Keys, Switch, Word, Words, key


class ModelKeys(Keys):
    """Model"""

    model_name_or_path: Word | None = key(None)
    """The model: a Hugging Face name, a local folder, a MaxText checkpoint (`gs://…/items`), or `tiny`, the small
    model that comes with grpoctl. Every engine but mlp needs it."""

    tokenizer_name_or_path: Word | None = key(None)
    """The tokenizer, where it is not in the model's own folder: a MaxText checkpoint has none."""

    maxtext_model: Word | None = key(None)
    """MaxText's name of the architecture (`qwen3-8b`), which a MaxText checkpoint does not carry itself."""

    adapter_name_or_path: Words = key(())
    """LoRA adapters to start from. The last one is trained on; those before it are merged first."""

    model_revision: Word = key("main")
    """Branch, tag or commit on the Hugging Face hub."""

    cache_dir: Word | None = key(None)
    """Where downloaded models are kept, instead of Hugging Face's own cache."""

    trust_remote_code: Switch = key(False)
    """Run Python code that comes with the model. Leave it off unless you have read that code; it counts only where the
    command line says trust_remote_code=true as well."""

    flash_attn: Literal["auto", "disabled", "sdpa", "fa2", "fa3"] = key("auto")
    """Attention kernel of the TRL engine: `fa2` and `fa3` are FlashAttention, `disabled` is plain attention."""

    disable_gradient_checkpointing: Switch = key(False)
    """Keep all activations instead of computing them again: faster, and more memory. Right for small models. On the
    JAX engines it stands for remat: none."""

    quantization_bit: Literal[4, 8] | None = key(None)
    """Quantise the frozen base model to 4 or 8 bits: QLoRA on the TRL engine, Qwix on the JAX engines."""

    quantization_method: Literal["bnb"] = key("bnb")
    """Quantisation library of the TRL engine: bitsandbytes."""

    quantization_type: Literal["nf4", "fp4"] = key("nf4")
    """Number format of 4-bit weights."""

    double_quantization: Switch = key(True)
    """Quantise the quantisation constants of 4-bit weights too, which saves 0.4 bits a parameter."""


class AdapterKeys(Keys):
    """Full or LoRA"""

    finetuning_type: Literal["lora", "full"] = key("lora")
    """Train low-rank adapters beside frozen weights (`lora`), or every weight (`full`)."""

    lora_rank: int = key(8, ge=1, le=4096, usual="8 to 64 are usual")
    """Rank of the adapters."""

    lora_alpha: int | None = key(None, ge=1, le=65536)
    """Scale of the adapters: their output is multiplied by lora_alpha / lora_rank. Left out: 2 x lora_rank."""

    lora_dropout: float = key(0.0, ge=0, lt=1, usual="0 to 0.1 is usual")
    """Dropout in front of the adapters."""

    lora_target: Words = key(("all",), min_length=1)
    """Layers that get adapters: `all` for every linear layer, or names such as `q_proj,v_proj`."""

    additional_target: Words = key(())
    """Layers beside the adapters that are trained whole, such as `embed_tokens,lm_head`."""

    use_rslora: Switch = key(False)
    """Scale by lora_alpha / sqrt(lora_rank) instead, which keeps high ranks stable."""

    use_dora: Switch = key(False)
    """Learn the size of each weight column apart from its direction (DoRA)."""
