"""What does engine tunix make of the steps that every engine is given? For `grpoctl parity`.

The loss, the learner and the optimiser are those that train; what they would ask the model and the rollout is given.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tunix.rl.rollout import base_rollout

from grpoctl.data.problems import Problem
from grpoctl.engines.base import TrainJob
from grpoctl.engines.tunix import lora, models, translate
from grpoctl.engines.tunix.cluster import make_cluster
from grpoctl.engines.tunix.devices import settle
from grpoctl.engines.tunix.learner import Generation, GroupLearner
from grpoctl.engines.tunix.load import load
from grpoctl.engines.tunix.loss import GroupConfig, group_loss, micro_batches
from grpoctl.engines.tunix.rollout import PAD
from grpoctl.parity.given import Array, Case, Recorded, Replayed, Step
from grpoctl.rewards.scoring import Scores

# --- one step's loss


def loss_and_gradient(case: Case) -> tuple[float, Array]:
    """The loss of the step, and its gradient by the logits."""
    config = GroupConfig(**translate.loss_settings(case.recipe))
    rows = len(case.logits) // case.micro_batches
    examples = micro_batches(
        np.arange(len(case.logits))[:, None],  # the row itself, which _Known reads
        np.where(case.mask, case.completion_ids, PAD),
        case.mask,
        case.advantages,
        case.reference,
        case.old,
        rows,
    )

    def of_step(logits: jax.Array) -> jax.Array:
        # Tunix's trainer accumulates the mean over micro-batches.
        losses = [group_loss(_Known(logits), example, config, PAD, PAD)[0] for example in examples]
        return jnp.stack(losses).mean()

    loss, gradient = jax.value_and_grad(of_step)(jnp.asarray(case.logits))
    return float(loss), np.asarray(gradient)


class _Known(nnx.Module):
    """A model that has given its answers: the first token of a prompt says to which row."""

    def __init__(self, logits: jax.Array) -> None:
        self.logits = nnx.Variable(logits)

    def __call__(self, tokens: jax.Array, positions: Any, cache: Any, attention_mask: Any) -> tuple[jax.Array, None]:
        return jnp.pad(self.logits[...][tokens[:, 0]], ((0, 0), (0, 1), (0, 0))), None


# --- a training


def replay(job: TrainJob, recorded: Recorded) -> Replayed:
    """Train on what was recorded."""
    recipe = job.recipe
    settle(recipe)
    loaded = load(recipe, job.model, None, to_train=True)
    if recipe.finetuning_type == "lora":
        lora.put_adapter(loaded.model, recorded.start)
    learner = _Replaying(make_cluster(job, loaded), job, loaded.tokenizer, loaded.end_ids)
    learner.steps = recorded.steps
    handed, told = [], []
    for step in range(job.max_steps):
        if step % recipe.num_iterations == 0:
            generation = learner.draw(step // recipe.num_iterations)
            handed.append(np.concatenate([np.asarray(example.advantages) for example in generation.examples]))
        told.append(learner.update(step, generation.examples))
    of_lora = recipe.finetuning_type == "lora"
    return Replayed(
        advantages=handed,
        losses=[metrics["loss"] for metrics in told],
        kls=[metrics["kl"] for metrics in told],
        grad_norms=[metrics["grad_norm"] for metrics in told],
        weights=lora.adapter_tensors(learner.model) if of_lora else models.hf_tensors(learner.model),
    )


class _Replaying(GroupLearner):
    """The learner, whose completions and rewards were recorded."""

    steps: list[Step]
    _now: Step

    def draw(self, number: int) -> Generation:
        self._now = self.steps[number]
        self.rl_cluster.generate = self._recorded
        return super().draw(number)

    def _recorded(self, prompts: list[str], **_: Any) -> base_rollout.RolloutOutput:
        ids = self._now.completion_ids
        return base_rollout.RolloutOutput(
            self._tokenizer.batch_decode(ids, skip_special_tokens=True), [], [np.array(row) for row in ids], [], None
        )

    def _problems_of(self, number: int) -> list[Problem]:
        return [problem for problem in self._now.problems for _ in range(self._job.recipe.num_generations)]

    def _scores(self, *given: Sequence[Any]) -> Scores:
        return replace(super()._scores(*given), totals=self._now.rewards)
