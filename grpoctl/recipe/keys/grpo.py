"""What is GRPO to do: the group, the rewards, the loss?"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from grpoctl.recipe.keys.base import Keys, Numbers, Switch, Word, key, switch


class RewardUse(Keys):
    """One reward of the recipe: which one, how much it weighs, and its arguments."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})  # arguments may stand beside `use`

    use: Word = key(...)
    """The reward's name (`grpoctl reward list`), or a function of your own: `my_rewards.py:brevity`."""

    weight: float = key(1.0, ge=-1e6, le=1e6)
    """Factor on its score. A negative weight turns it into a penalty."""

    args: dict[str, Any] = key({})
    """Its arguments by name. They may also stand beside `use`, as in `{use: model, path: …}`."""


def _reward_uses(value: object) -> object:
    """`accuracy,format`, a list of names, or entries with use, weight and args: one form from here on."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list):
        return value
    return tuple({"use": item} if isinstance(item, str) else _with_arguments(item) for item in value)


def _with_arguments(entry: object) -> object:
    """What stands beside `use` are arguments, whose names the reward itself knows."""
    if not isinstance(entry, dict) or not isinstance(entry.get("args", {}), dict):
        return entry
    beside = {name: value for name, value in entry.items() if name not in RewardUse.model_fields}
    if not beside:
        return entry
    rest = {name: value for name, value in entry.items() if name not in beside}
    return {**rest, "args": {**beside, **entry.get("args", {})}}


RewardUses = Annotated[
    tuple[RewardUse, ...],
    Field(max_length=64),
    BeforeValidator(_reward_uses, json_schema_input_type=str | list[str | RewardUse]),
]


def _scale(value: object) -> object:
    """TRL's older true and false."""
    value = switch(value)
    return {True: "group", False: "none"}[value] if isinstance(value, bool) else value


class GrpoKeys(Keys):
    """GRPO"""

    stage: Literal["grpo", "ppo"] = key("grpo")
    """The algorithm. `ppo` is there for one comparison, on engine mlp."""

    engine: Literal["auto", "trl", "tunix", "maxtext", "mlp"] = key("auto")
    """What trains: `trl` (PyTorch, on CPU or GPU), `tunix` or `maxtext` (JAX, on TPU), `mlp` (digits, on JAX).
    `auto` is mlp where hidden_sizes is given, maxtext for a MaxText checkpoint, else trl."""

    num_generations: int = key(8, ge=1, le=65536, usual="8 to 16 are usual")
    """Answers drawn for each prompt: the group, G. Each is scored against the mean of its group."""

    reward_funcs: RewardUses = key(())
    """Rewards: names separated by commas, a list of names, or entries with `use`, `weight` and `args`. A
    completion's reward is the weighted sum."""

    reward_timeout_s: float = key(60.0, gt=0, le=86_400)
    """A slow reward (code, math, a server, one of your own) fails on a step's completions where it takes longer."""

    max_reward_failures: float = key(0.5, ge=0, le=1, usual="0.5 is half of them")
    """Share of its completions, over three steps, that a reward may fail on; above it the run stops. What failed is
    left out of the step."""

    scale_rewards: Annotated[
        Literal["group", "batch", "none"],
        BeforeValidator(_scale, json_schema_input_type=Literal["group", "batch", "none"] | bool),
    ] = key("group")
    """Divide the advantage by the standard deviation of the rewards in its group, in the whole batch, or not at all
    (`none`: A = R - mean)."""

    pref_beta: float = key(0.04, ge=0, le=100, usual="0 to 0.1 is usual", llamafactory=0.1)
    """Weight of the KL term that holds the model near its start. 0 keeps no reference model."""

    epsilon: float = key(0.2, gt=0, lt=1, usual="0.2 is usual")
    """The policy ratio is clipped to 1 - epsilon … 1 + epsilon_high."""

    epsilon_high: float | None = key(None, gt=0, le=10, usual="0.28 is usual")
    """Upper side of the clip, where it differs from epsilon (clip-higher)."""

    num_iterations: int = key(1, ge=1, le=1000, usual="1 is usual")
    """Optimiser steps on each batch of completions."""

    loss_type: Literal["grpo", "dapo", "bnpo", "dr_grpo", "gspo"] = key("grpo")
    """How token losses are averaged: per completion and then over completions (`grpo`), over all tokens of the step
    (`dapo`) or of the micro-batch (`bnpo`), over completions x max_completion_length (`dr_grpo`). `gspo` is grpo
    with one policy ratio for the whole completion."""

    mask_truncated_completions: Switch = key(False)
    """Leave completions that hit max_completion_length out of the loss."""

    hidden_sizes: Numbers | None = key(None, min_length=1, max_length=16)
    """Hidden layers of engine mlp's network: `[128, 128]`."""

    group: Literal["prompt", "batch"] = key("prompt")
    """Whose answers are one group: those to the same prompt, or, on engine mlp, all of the step."""

    baseline: Literal["mean", "moving_average"] = key("mean")
    """What a reward is compared with: the mean of its group, or, on engine mlp, a moving average of the steps' means.
    With stage: ppo a second network learns it."""

    baseline_decay: float = key(0.9, ge=0, lt=1, usual="0.9 is usual")
    """Share of the moving average that a step keeps."""
