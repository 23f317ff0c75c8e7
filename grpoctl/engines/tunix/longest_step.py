"""Does the longest step that the recipe allows fit the devices? It is tried before anything is trained.

The optimiser's state is there by then. Its step, which a rehearsal must not take, is what is left out.
"""

import logging
from typing import Any

import jax
from flax import nnx
from tunix.rl import rl_cluster as clusters

from grpoctl.engines.base import TrainJob
from grpoctl.engines.tunix import hosts
from grpoctl.engines.tunix.devices import memory_in_words
from grpoctl.engines.tunix.learner import GroupLearner
from grpoctl.engines.tunix.loss import GroupExample, group_loss
from grpoctl.engines.tunix.rollout import PAD
from grpoctl.errors import ModelError
from grpoctl.estimate import estimate
from grpoctl.estimate.devices import device_of
from grpoctl.machine import read_machine

_log = logging.getLogger(__name__)


def try_longest_step(job: TrainJob, learner: GroupLearner) -> None:
    """Rehearse it, and tell of its peak beside the estimate. Nothing that the run is made of has moved after it."""
    problem = learner.longest_problem()
    jax.block_until_ready(_gradient(learner, learner.rehearsed(problem)))  # type: ignore[no-untyped-call]
    if not hosts.leads():
        return
    recipe, prompt_tokens = job.recipe, learner.tokens_of(problem)
    try:
        found = estimate(recipe, device_of(recipe, read_machine())[0], prompt_tokens)
        reckoned = f"{found.total_gib:.2f} GiB at most by the estimate"
    except ModelError:  # a kind of model whose memory cannot be reckoned
        reckoned = "which no estimate is known for"
    _log.info(
        "the longest step fits: prompts of %d and completions of %d tokens take %s; %s.",
        prompt_tokens, recipe.max_completion_length, memory_in_words(), reckoned,
    )  # fmt: skip


def _gradient(learner: GroupLearner, example: GroupExample) -> Any:
    """Of one micro-step, as Tunix's trainer takes it, and to be thrown away."""
    cluster, trainer = learner.rl_cluster, learner.rl_cluster.actor_trainer
    trained = nnx.LoRAParam if trainer._lora_enabled else nnx.Param

    def loss(model: nnx.Module, part: GroupExample) -> Any:
        return group_loss(model, part, learner.algo_config, PAD, PAD)[0]

    gradient = nnx.jit(nnx.grad(loss, argnums=nnx.DiffState(0, trained)))
    with cluster._get_mesh_and_logical_axis_rules_cm(clusters.Role.ACTOR):
        return gradient(learner.model, example)
