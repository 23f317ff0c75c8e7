"""How many prompts a step, how many steps, and how does the optimiser move?"""

from typing import Literal

from grpoctl.recipe.keys.base import Keys, Switch, key


class TrainKeys(Keys):
    """Steps and optimiser"""

    do_train: Switch = key(True)
    """Train. `grpoctl eval` is what only evaluates."""

    per_device_train_batch_size: int = key(1, ge=1, le=1_000_000, llamafactory=8)
    """Prompts, not completions, a device and micro-step. Prompts a step = this x gradient_accumulation_steps x
    devices; each prompt gets num_generations completions."""

    gradient_accumulation_steps: int = key(1, ge=1, le=1_000_000)
    """Micro-steps before the optimiser moves."""

    learning_rate: float = key(1e-6, gt=0, le=1, usual="5e-7 to 3e-6 full, 1e-6 to 1e-5 LoRA", llamafactory=5e-5)
    """Peak learning rate. GRPO wants far less than fine-tuning."""

    num_train_epochs: float = key(3.0, gt=0, le=100_000)
    """Passes over the prompts."""

    max_steps: int = key(-1, ge=-1, le=1_000_000_000)
    """Optimiser steps, instead of num_train_epochs; -1 leaves it to the epochs."""

    lr_scheduler_type: Literal[
        "linear",
        "cosine",
        "constant",
        "constant_with_warmup",
        "cosine_with_restarts",
        "polynomial",
        "inverse_sqrt",
    ] = key("linear")
    """How the learning rate goes on after warm-up."""

    warmup_ratio: float = key(0.0, ge=0, le=1)
    """Share of the steps in which the learning rate rises to its peak."""

    warmup_steps: int = key(0, ge=0, le=1_000_000_000)
    """The same as a count of steps."""

    optim: Literal[
        "adamw_torch",
        "adamw_torch_fused",
        "adamw_8bit",
        "adamw_bnb_8bit",
        "adamw_torch_8bit",
        "paged_adamw_8bit",
        "paged_adamw_32bit",
        "ademamix",
        "lion_8bit",
        "lion_32bit",
        "paged_lion_8bit",
        "paged_lion_32bit",
        "adafactor",
        "sgd",
        "rmsprop",
        "adagrad",
    ] = key("adamw_torch")
    """Optimiser, by its name in transformers; the JAX engines use AdamW."""

    adam_beta1: float = key(0.9, ge=0, lt=1)
    """AdamW's decay of the mean gradient."""

    adam_beta2: float = key(0.999, ge=0, lt=1)
    """AdamW's decay of the mean squared gradient."""

    adam_epsilon: float = key(1e-8, gt=0, le=1)
    """AdamW's guard against division by zero."""

    weight_decay: float = key(0.0, ge=0, le=10)
    """AdamW's decay of the weights themselves."""

    max_grad_norm: float = key(1.0, ge=0, le=1_000_000)
    """Longer gradients are cut to this norm; 0 leaves them."""

    bf16: Switch = key(False)
    """Compute in bfloat16. Right for GPUs since Ampere and for TPUs; slower than float32 on a CPU."""

    fp16: Switch = key(False)
    """Compute in float16, for GPUs without bfloat16."""

    longest_step_first: Switch = key(False)
    """Before training, rehearse a step with every prompt as long as the longest and every completion as long as it may
    be: what would run out of memory does so at once, and the peak is told beside the estimate. It leaves no trace."""

    seed: int = key(42, ge=0, le=2**32 - 1)
    """Seed of the data order, the sampling and the adapters' start."""
