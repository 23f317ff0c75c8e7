"""Which parts does Tunix need for a training, and on which devices is each?"""

import functools
from collections.abc import Collection, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from tunix.rl import rl_cluster as clusters
from tunix.rl.rollout import base_rollout

from grpoctl.data.problems import Problem
from grpoctl.engines.base import TrainJob
from grpoctl.engines.tunix import translate
from grpoctl.engines.tunix.load import Loaded
from grpoctl.engines.tunix.optimiser import make_optimiser
from grpoctl.engines.tunix.rollout import PAD, Draw, Rollout, padded


def make_cluster(job: TrainJob, loaded: Loaded) -> clusters.RLCluster:
    """The actor, its frozen reference where the recipe wants one, and the rollout, each on its mesh."""
    recipe, tokenizer, actor = job.recipe, loaded.tokenizer, loaded.model
    how = Draw(recipe.max_completion_length or 0, loaded.end_ids, recipe.temperature, recipe.top_k, recipe.top_p)
    own = functools.partial(
        GroupRollout, hf_tokenizer=tokenizer, how=how, group=recipe.num_generations, has_cache=loaded.kind.has_cache
    )
    longest = longest_prompt(tokenised(tokenizer, job.problems).values())
    roles = (clusters.Role.ACTOR, clusters.Role.REFERENCE, clusters.Role.ROLLOUT)
    training = clusters.RLTrainingConfig(
        actor_optimizer=make_optimiser(**translate.optimiser_settings(recipe)),
        eval_every_n_steps=2**31,  # grpoctl evaluates
        **translate.batch_settings(recipe),
    )
    config = clusters.ClusterConfig(
        role_to_mesh=dict(zip(roles, (loaded.mesh, loaded.mesh, loaded.rollout_mesh), strict=True)),
        role_to_logical_axis_rule=dict.fromkeys(roles, loaded.axis_rules) if loaded.axis_rules is not None else None,
        rollout_engine="vllm" if recipe.use_vllm else own,
        training_config=training,
        rollout_config=base_rollout.RolloutConfig(**translate.rollout_settings(recipe, longest)),
    )
    # A copy of the variables, not of the arrays: these are shared until the actor moves on to others.
    reference = nnx.merge(*nnx.split(actor), copy=True) if recipe.pref_beta else None
    return clusters.RLCluster(actor=actor, reference=reference, tokenizer=_Tokens(tokenizer), cluster_config=config)


def tokenised(tokenizer: Any, problems: Sequence[Problem]) -> dict[str, list[int]]:
    """Each prompt's tokens. The chat template has written every special one already, so none is added."""
    prompts = list(dict.fromkeys(problem.prompt for problem in problems))
    return dict(zip(prompts, tokenizer(prompts, add_special_tokens=False)["input_ids"], strict=True))


def longest_prompt(ids: Collection[Sequence[int]]) -> int:
    """The width that prompts are padded to, so that one program serves all steps."""
    return int(padded(list(ids)).shape[1])


class GroupRollout(base_rollout.BaseRollout):  # type: ignore[misc]
    """Tunix's view of our rollout: prompts come `group` times over, and each is read once."""

    key: jax.Array

    def __init__(
        self,
        rollout_actor: nnx.Module,
        tokenizer: Any,
        mesh: jax.sharding.Mesh,
        rollout_config: base_rollout.RolloutConfig,
        *,
        hf_tokenizer: Any,
        how: Draw,
        group: int,
        has_cache: bool,
    ) -> None:
        self._rollout = Rollout(_on(mesh, rollout_actor), has_cache=has_cache)
        self._tokenizer, self._how, self._group = hf_tokenizer, how, group

    def generate(
        self, prompts: list[str], rollout_config: base_rollout.RolloutConfig, **_: Any
    ) -> base_rollout.RolloutOutput:
        prompt_ids = self._tokenizer(prompts[:: self._group], add_special_tokens=False)["input_ids"]
        ids = self._rollout.draw(prompt_ids, self._group, self._how, self.key)
        texts = self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        return base_rollout.RolloutOutput(
            texts, [], [np.array(row) for row in ids], np.repeat(padded(prompt_ids), self._group, axis=0), None
        )

    def get_per_token_logps(self, prompt_tokens: jax.Array, completion_tokens: jax.Array) -> jax.Array:
        raise AssertionError("the learner asks the actor itself")

    def update_params(self, params: Any, filter_types: tuple[Any, ...] | None = None) -> None:
        model = self._rollout.model
        held = nnx.state(model, filter_types) if filter_types else nnx.state(model)
        nnx.update(model, jax.tree.map(lambda new, old: jax.device_put(new, old.sharding), params, held))

    def pad_id(self) -> int:
        return PAD

    def eos_id(self) -> int:
        return PAD  # Tunix hands it on to functions that do not use it

    def model(self) -> nnx.Module:
        return self._rollout.model


class _Tokens:
    """What Tunix's cluster asks a tokenizer: nothing that matters here, but pad and end have to be there."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def encode(self, text: str, **_: Any) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        text: str = self._tokenizer.decode(ids)
        return text

    def bos_id(self) -> int:
        return PAD

    def eos_id(self) -> int:
        return int(self._tokenizer.eos_token_id)

    def pad_id(self) -> int:
        return PAD


def _on(mesh: jax.sharding.Mesh, model: nnx.Module) -> nnx.Module:
    """The model itself where it is on that mesh, else a copy there."""
    graph, state = nnx.split(model)
    here = next(leaf.sharding.mesh for leaf in jax.tree.leaves(state) if hasattr(leaf.sharding, "mesh"))
    if here == mesh:
        return model
    moved = jax.tree.map(lambda leaf: jax.device_put(leaf, jax.sharding.NamedSharding(mesh, leaf.sharding.spec)), state)
    return nnx.merge(graph, moved)
