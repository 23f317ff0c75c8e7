"""Which of a recipe's keys does a network on digits obey, and as what? Pure: a recipe in, plain values out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from grpoctl.engines.base import Unsupported
from grpoctl.recipe.schema import Recipe


@dataclass(frozen=True)
class Settings:
    """How a step goes. `pictures` are those of a step, `answers` those to each picture, `rounds` the steps on each."""

    hidden_sizes: tuple[int, ...]
    pictures: int
    answers: int
    rounds: int
    baseline: Literal["prompt", "batch", "moving_average", "critic"]
    baseline_decay: float
    scale: Literal["group", "batch", "none"]
    temperature: float
    clip_low: float
    clip_high: float
    pref_beta: float
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float
    weight_decay: float
    max_grad_norm: float

    @property
    def has_critic(self) -> bool:
        return self.baseline == "critic"

    @property
    def is_group_a_picture(self) -> bool:
        """Whether a group holds the answers to one picture; else it is the whole step."""
        return self.baseline == "prompt"


def settings_of(recipe: Recipe) -> Settings:
    return Settings(
        hidden_sizes=tuple(recipe.hidden_sizes or ()),
        # A network this small takes all micro-steps in one.
        pictures=recipe.per_device_train_batch_size * recipe.gradient_accumulation_steps,
        answers=recipe.num_generations,
        rounds=recipe.num_iterations,
        baseline=_baseline(recipe),
        baseline_decay=recipe.baseline_decay,
        scale=recipe.scale_rewards,
        temperature=recipe.temperature,
        clip_low=recipe.epsilon,
        clip_high=recipe.epsilon if recipe.epsilon_high is None else recipe.epsilon_high,
        pref_beta=recipe.pref_beta,
        adam_beta1=recipe.adam_beta1,
        adam_beta2=recipe.adam_beta2,
        adam_epsilon=recipe.adam_epsilon,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
    )


def _baseline(recipe: Recipe) -> Literal["prompt", "batch", "moving_average", "critic"]:
    if recipe.stage == "ppo":
        return "critic"
    return "moving_average" if recipe.baseline == "moving_average" else recipe.group


# Keys of language models and of several devices, which would change nothing here. Those that a rule refuses for every
# engine but their own, or warns of, need no second word.
_WITHOUT_EFFECT = (
    "adapter_name_or_path",
    "additional_target",
    "answer_tag",
    "bad_rows",
    "bf16",
    "dataloader_num_workers",
    "default_system",
    "disable_gradient_checkpointing",
    "double_quantization",
    "enable_thinking",
    "longest_step_first",
    "lora_dropout",
    "lora_rank",
    "lora_target",
    "loss_type",
    "mask_truncated_completions",
    "max_new_tokens",
    "max_reward_failures",
    "model_revision",
    "quantization_bit",
    "reasoning_tag",
    "reward_timeout_s",
    "system_prompt",
    "template",
    "tokenizer_name_or_path",
    "top_k",
    "top_p",
    "trust_remote_code",
    "use_rslora",
    "use_vllm",
)


def unsupported(recipe: Recipe) -> Iterator[Unsupported]:
    """Keys given that do nothing for a network on digits."""
    for key in _WITHOUT_EFFECT:
        if getattr(recipe, key) != Recipe.model_fields[key].default:
            problem = "does nothing on engine mlp, which has no language model"
            yield Unsupported(key, problem, "take it out, or hidden_sizes")
    others = [sink for sink in recipe.report_to if sink not in ("none", "tensorboard", "all")]
    if others:
        yield Unsupported("report_to", f"names {others[0]}, which engine trl alone has", "use tensorboard, or none")
