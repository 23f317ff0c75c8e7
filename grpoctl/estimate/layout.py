"""What of a recipe bears on memory and time: bytes a value, tokens at a time, and on how many devices?"""

import json
from dataclasses import dataclass
from typing import Any

from grpoctl.estimate.shapes import Shape
from grpoctl.paths import user_path
from grpoctl.recipe.schema import Recipe

# Bytes of an optimiser's state for each trained value, where Adam's two moments in float32 would be 8.
_STATES = {
    "adamw_8bit": 2.0,
    "adamw_bnb_8bit": 2.0,
    "adamw_torch_8bit": 2.0,
    "paged_adamw_8bit": 2.0,
    "ademamix": 12.0,
    "lion_8bit": 1.0,
    "paged_lion_8bit": 1.0,
    "lion_32bit": 4.0,
    "paged_lion_32bit": 4.0,
    "rmsprop": 4.0,
    "adagrad": 4.0,
    "adafactor": 0.0,  # a row and a column of each weight
    "sgd": 0.0,
}
_BUILT_IN = {"z0": (0, False, False), "z2": (2, False, False), "z3": (3, False, False), "z3-offload": (3, True, True)}


@dataclass(frozen=True)
class Layout:
    """A recipe's training as the arithmetic sees it. Bytes are those of one value."""

    jax: bool
    on_cpu: bool
    trains_all: bool
    autocast: bool  # layers compute in 16 bits, and float32 weights are copied for it
    compute_bytes: int
    hidden_bytes: int  # between two layers
    weight_bytes: int  # of the embedding, the head and the norms
    linear_bytes: float  # of the linear layers, which may be quantised
    trained: int  # values
    trained_bytes: int
    gradient_bytes: int
    state_bytes: float
    copies_to_move: bool  # torch's plain AdamW makes one more of all trained values at a time on a GPU
    prompts: int  # a device and micro-step
    generations: int
    accumulation: int
    iterations: int
    prompt_tokens: int
    completion_tokens: int
    checkpointing: bool
    shares_prompts: bool
    beta: bool
    data_parallel: int
    tensor_parallel: int
    buckets: bool  # gradients are copied to be sent to the other processes
    zero: int
    offloads_optimiser: bool
    offloads_weights: bool
    vllm: str | None
    vllm_share: float
    vllm_sleeps: bool
    vllm_devices: int  # that share one copy of the weights
    rank: int

    @property
    def completions(self) -> int:
        """A device and micro-step."""
        return self.prompts * self.generations

    @property
    def drawn(self) -> int:
        """Completions that a device draws at a time: those of a whole optimiser step."""
        return self.completions * self.accumulation

    @property
    def length(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def devices(self) -> int:
        return self.data_parallel * self.tensor_parallel

    @property
    def keeps_a_reference(self) -> bool:
        """LoRA's reference is the base without its adapters, and without a KL term there is none."""
        return self.beta and self.trains_all

    @property
    def trained_tokens(self) -> int:
        """Tokens that go through the layers in one micro-step."""
        if self.shares_prompts:
            return self.prompts * (self.prompt_tokens - 1) + self.completions * (self.completion_tokens + 1)
        return self.completions * self.length


def layout_of(recipe: Recipe, shape: Shape, *, on_cpu: bool, prompt_tokens: int) -> Layout:
    """For a resolved recipe."""
    jax, trains_all = recipe.engine != "trl", recipe.finetuning_type == "full"
    half = recipe.bf16 or recipe.fp16
    zero, offloads_optimiser, offloads_weights = (0, False, False) if jax else _zero(recipe)
    deepspeed = recipe.deepspeed is not None and not jax
    quantised = recipe.quantization_bit is not None and not trains_all
    sharded = deepspeed or (recipe.fsdp is not None and not jax)
    data_parallel = recipe.mesh.fsdp if jax else recipe.processes
    # DeepSpeed trains in 16 bits beside a float32 copy. PEFT keeps adapters in float32, but TRL narrows those of a
    # quantised base.
    narrow = half and (deepspeed or (quantised and not jax))
    weights = 4 if trains_all and not (half and deepspeed) else 2 if half else 4
    states = 8.0 if jax else _STATES.get(recipe.optim, 8.0)
    if narrow and not deepspeed and states == 8.0:
        states = 4.0  # torch keeps Adam's moments in the type of what they belong to
    return Layout(
        jax=jax,
        on_cpu=on_cpu,
        trains_all=trains_all,
        autocast=half and not jax,
        compute_bytes=2 if half else 4,
        hidden_bytes=2 if jax and half else weights,
        weight_bytes=weights,
        linear_bytes=_quantised_bytes(recipe) if quantised else weights,
        trained=trained_values(recipe, shape),
        trained_bytes=2 if narrow else 4,
        gradient_bytes=2 if narrow else 4,
        state_bytes=states + (4 if narrow and deepspeed else 0),
        copies_to_move=not jax and not on_cpu and recipe.optim == "adamw_torch",
        prompts=recipe.per_device_train_batch_size,
        generations=recipe.num_generations,
        accumulation=recipe.gradient_accumulation_steps,
        iterations=recipe.num_iterations,
        prompt_tokens=prompt_tokens,
        completion_tokens=recipe.max_completion_length or 0,
        checkpointing=recipe.remat != "none" if jax else not recipe.disable_gradient_checkpointing,
        shares_prompts=not jax and not sharded,
        beta=recipe.pref_beta > 0,
        data_parallel=data_parallel,
        tensor_parallel=recipe.mesh.tensor if jax else 1,
        buckets=not jax and data_parallel > 1 and not sharded,
        zero=3 if jax else zero,  # an fsdp axis splits all that ZeRO-3 splits
        offloads_optimiser=offloads_optimiser,
        offloads_weights=offloads_weights,
        vllm=None if not recipe.use_vllm else "colocate" if jax else recipe.vllm_mode,
        vllm_share=recipe.vllm_gpu_util,
        vllm_sleeps=recipe.vllm_enable_sleep_mode,
        vllm_devices=recipe.mesh.tensor if jax else recipe.vllm_tensor_parallel_size,
        rank=0 if trains_all else recipe.lora_rank,
    )


def trained_values(recipe: Recipe, shape: Shape) -> int:
    if recipe.finetuning_type == "full":
        return shape.parameters
    whole = {name: shape.layers * first * second for name, (first, second) in shape.linear.items()}
    whole |= {"embed_tokens": shape.embedding, "lm_head": shape.embedding}
    beside = sum(whole.get(name, 0) for name in recipe.additional_target)
    return shape.adapters(recipe.lora_rank, recipe.lora_target) + beside


def _quantised_bytes(recipe: Recipe) -> float:
    if recipe.quantization_bit == 8:
        return 1.0
    if recipe.engine != "trl":
        return 0.5
    # A scale for each 64 values: in float32, or in 8 bits with a float32 for each 256 of them.
    return 0.5 + (1 / 64 + 4 / (64 * 256) if recipe.double_quantization else 4 / 64)


def _zero(recipe: Recipe) -> tuple[int, bool, bool]:
    """DeepSpeed's stage, or the one that FSDP comes to, and whether the optimiser and the weights are in the host's
    memory."""
    if recipe.fsdp is not None:
        return (3 if recipe.fsdp == "full_shard" else 2), False, False
    if recipe.deepspeed is None:
        return 0, False, False
    if recipe.deepspeed in _BUILT_IN:
        return _BUILT_IN[recipe.deepspeed]
    try:
        found: Any = json.loads(user_path(recipe.deepspeed).read_text(encoding="utf-8"))["zero_optimization"]
        to_host = [
            (found.get(f"offload_{what}") or {}).get("device", "none") != "none" for what in ("optimizer", "param")
        ]
        return int(found.get("stage", 0)), to_host[0], to_host[1]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0, False, False  # check tells of a file that is none
