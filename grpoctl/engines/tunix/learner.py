"""How does one GRPO step go on Tunix: which completions, which advantages, and how the weights move?

Tunix's cluster, loss and trainer do the work. The completions come from `rollout`, the advantages from grpoctl, and the
step is taken here, because Tunix's own loop can neither stop between two steps nor go on in the middle of a batch.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flax import nnx
from tunix.rl import common
from tunix.rl import rl_cluster as clusters
from tunix.rl import trainer as trainers
from tunix.rl.grpo.grpo_learner import GRPOLearner

from grpoctl.advantage import advantages, spread
from grpoctl.data.problems import Problem, columns_of
from grpoctl.engines.base import TrainJob
from grpoctl.engines.tunix import hosts, translate
from grpoctl.engines.tunix.cluster import GroupRollout, longest_prompt, tokenised
from grpoctl.engines.tunix.loss import GroupConfig, GroupExample, group_loss, micro_batches
from grpoctl.engines.tunix.optimiser import gradient_norm, set_rate
from grpoctl.engines.tunix.rollout import PAD, padded, step_key
from grpoctl.errors import GrpoctlError
from grpoctl.record import columns_kept, samples_of
from grpoctl.rewards.scoring import Scores
from grpoctl.schedule import rate_at


class NonFinite(GrpoctlError):
    """The loss or the gradient is no number any more."""


@dataclass
class Generation:
    """The completions of a step, ready for the loss: one example for each micro-step."""

    examples: list[GroupExample]
    metrics: dict[str, float]
    samples: list[dict[str, Any]]


class GroupLearner(GRPOLearner[GroupConfig]):  # type: ignore[misc]  # Tunix has no types
    """Tunix's GRPO learner with grpoctl's rollouts, rewards and advantages, one step at a time."""

    def __init__(self, cluster: clusters.RLCluster, job: TrainJob, tokenizer: Any, end_ids: tuple[int, ...]) -> None:
        settings = translate.loss_settings(job.recipe)
        super().__init__(cluster, GroupConfig(**settings), reward_fns=_scored_elsewhere)
        self._job, self._tokenizer, self._end_ids = job, tokenizer, end_ids
        recipe = job.recipe
        self._ids_of = tokenised(tokenizer, job.problems)
        self._width = longest_prompt(self._ids_of.values())
        self._micro_prompts = recipe.per_device_train_batch_size * recipe.mesh.fsdp
        self._prompts = self._micro_prompts * recipe.gradient_accumulation_steps
        self._mesh = cluster.cluster_config.role_to_mesh[clusters.Role.ACTOR]
        self._trainer = cluster.actor_trainer
        self._trainer.__class__ = _Quiet
        self._trainer.taken = []
        self._trainer.with_loss_fn(_loss_of(self.algo_config), has_aux=True)
        self._trainer.with_gen_model_input_fn(lambda example: {"example": example})
        state = nnx.state(self.optimiser, nnx.optimizer.OptState)
        nnx.update(self.optimiser, hosts.spread_copies(state, self._mesh))  # optax makes its counts on one device
        self._rate_at = rate_at(recipe, job.max_steps)

    @property
    def model(self) -> nnx.Module:
        model: nnx.Module = self._trainer.model
        return model

    @property
    def optimiser(self) -> nnx.Optimizer[Any]:
        optimiser: nnx.Optimizer[Any] = self._trainer.optimizer
        return optimiser

    @property
    def generations_an_epoch(self) -> int:
        return len(self._job.problems) // self._prompts

    # --- completions

    def draw(self, number: int) -> Generation:
        """The completions of the generation of that number, scored against their siblings."""
        recipe, problems = self._job.recipe, self._problems_of(number)
        rollout = self.rl_cluster.rollout
        if isinstance(rollout, GroupRollout):
            rollout.key = step_key(recipe.seed, number)
        drawn = self.rl_cluster.generate([problem.prompt for problem in problems])
        ids = [[int(token) for token in row] for row in drawn.tokens]
        truncated = [row[-1] not in self._end_ids for row in ids]
        scores = self._scores(problems, drawn.text, [len(row) for row in ids])
        totals = np.array(scores.totals).reshape(-1, recipe.num_generations)
        ours = advantages(totals, recipe.scale_rewards).reshape(-1)
        examples = self.examples(problems, ids, truncated, ours)
        metrics = {
            **_lengths([len(row) for row in ids], truncated),
            **_by_reward(scores),
            **spread(totals),
            "reward_failures": float(sum(scores.failures.values())),
        }
        samples = samples_of(problems, drawn.text, scores, ours, columns_kept(self._job.scorer))
        return Generation(examples, metrics, samples)

    def longest_problem(self) -> Problem:
        return max(self._job.problems, key=self.tokens_of)

    def tokens_of(self, problem: Problem) -> int:
        return len(self._ids_of[problem.prompt])

    def rehearsed(self, problem: Problem) -> GroupExample:
        """The first micro-step of a step that has nothing but this problem, on its devices; nothing is scored."""
        recipe, rollout = self._job.recipe, self.rl_cluster.rollout
        if isinstance(rollout, GroupRollout):
            rollout.key = step_key(recipe.seed, 0)
        problems = [problem] * self._prompts * recipe.num_generations
        drawn = self.rl_cluster.generate([each.prompt for each in problems])
        ids = [[int(token) for token in row] for row in drawn.tokens]
        (first, *_) = self.examples(problems, ids, [False] * len(ids), np.zeros(len(ids)))
        example: GroupExample = hosts.spread_rows(first, self._mesh)
        return example

    def _problems_of(self, number: int) -> list[Problem]:
        """Each problem of the generation `num_generations` times over; each epoch has an order of its own."""
        all_of_them, each = self._job.problems, self.generations_an_epoch
        order = list(range(len(all_of_them)))
        random.Random(f"{self._job.recipe.seed} epoch {number // each}").shuffle(order)
        first = (number % each) * self._prompts
        chosen = [all_of_them[place] for place in order[first : first + self._prompts]]
        return [problem for problem in chosen for _ in range(self._job.recipe.num_generations)]

    def _scores(self, problems: Sequence[Problem], completions: Sequence[str], lengths: Sequence[int]) -> Scores:
        prompts = [problem.prompt for problem in problems]
        columns = columns_of([each.row for each in problems], prompts, lengths)
        if not hosts.are_several():
            return self._job.scorer.score(completions, columns)
        found: list[Scores] = []  # on the first host, whose totals are enough for the others

        def totals() -> list[float]:
            found.append(self._job.scorer.score(completions, columns))
            return found[0].totals

        told = hosts.agreed(totals)
        return found[0] if found else Scores({}, told)

    def examples(
        self, problems: Sequence[Problem], ids: Sequence[Sequence[int]], truncated: Sequence[bool], ours: Any
    ) -> list[GroupExample]:
        """What the loss is computed on, split into micro-steps."""
        recipe = self._job.recipe
        prompt_ids = padded([self._ids_of[problem.prompt] for problem in problems], self._width)
        completion_ids = np.full((len(ids), recipe.max_completion_length or 0), PAD, np.int32)
        for row, tokens in enumerate(ids):
            completion_ids[row, : len(tokens)] = tokens
        mask = completion_ids != PAD
        if recipe.mask_truncated_completions:
            mask &= ~np.array(truncated)[:, None]
        rows = self._micro_prompts * recipe.num_generations
        reference = old = None
        if recipe.pref_beta:
            reference = self._reference_log_probs(prompt_ids, completion_ids, rows)
        if recipe.num_iterations > 1:
            old = self._log_probs(prompt_ids, completion_ids, rows)
        gains = np.asarray(ours, np.float32)
        return micro_batches(prompt_ids, completion_ids, mask, gains, reference, old, rows)

    def _reference_log_probs(self, prompt_ids: Any, completion_ids: Any, rows: int) -> Any:
        found = []
        for start in range(0, len(prompt_ids), rows):
            part = slice(start, start + rows)
            both = hosts.spread_rows((prompt_ids[part], completion_ids[part]), self._mesh)
            found.append(hosts.whole(self.rl_cluster.get_ref_per_token_logps(*both, PAD, PAD)))
        return np.concatenate(found)

    def _log_probs(self, prompt_ids: Any, completion_ids: Any, rows: int) -> Any:
        """Of the policy that the completions came from, by the temperature that the loss divides by."""
        graph, state = nnx.split(self.model)
        with self.rl_cluster._get_mesh_and_logical_axis_rules_cm(clusters.Role.ACTOR):
            parts = [
                common.compute_per_token_logps(
                    graph,
                    state,
                    prompt_ids[start : start + rows],
                    completion_ids[start : start + rows],
                    PAD,
                    PAD,
                    temperature=self._job.recipe.temperature,
                )
                for start in range(0, len(prompt_ids), rows)
            ]
        return np.concatenate([hosts.whole(part) for part in parts])

    # --- the step

    def update(self, step: int, examples: Sequence[GroupExample]) -> dict[str, float]:
        """Move the weights once. `step` counts from 0, and is what the schedule goes by."""
        rate = self._rate_at(step)
        set_rate(self.optimiser, rate)
        self.rl_cluster.update_actor([hosts.spread_rows(each, self._mesh) for each in examples], None)
        told, norm = self._trainer.taken, gradient_norm(self.optimiser)
        self._trainer.taken = []
        if self.should_sync_weights:
            self.rl_cluster.sync_weights()
        metrics = {name: _mean([float(micro[name]) for micro in told]) for name in told[0]}
        for name, value in (("loss", metrics["loss"]), ("gradient", norm)):
            if not math.isfinite(value):
                raise NonFinite(self._non_finite(name, step + 1))
        return {**metrics, "grad_norm": norm, "learning_rate": rate}

    def _non_finite(self, what: str, step: int) -> str:
        return (
            f"step {step}: the {what} is no finite number; the weights of step {step - 1} are untouched. Lower "
            f"learning_rate (it is {self._job.recipe.learning_rate:g}) or max_grad_norm, then go on from the last "
            f"checkpoint: grpoctl train --resume {self._job.run.name} learning_rate=…"
        )


class _Quiet(trainers.Trainer):  # type: ignore[misc]
    """Tunix's trainer, whose numbers are taken as they come: its own are told one step late."""

    taken: list[dict[str, Any]]

    def _post_process_train_step(self, aux: Any) -> None:
        buffered: Any = self._buffered_train_metrics
        self.taken.append({"loss": buffered.losses[-1], **aux})

    def _write_train_metrics(self) -> None:
        self._buffered_train_metrics = None


def _loss_of(config: GroupConfig) -> Any:
    def loss(model: nnx.Module, example: GroupExample) -> Any:
        return group_loss(model, example, config, PAD, PAD)

    return loss


def _scored_elsewhere(**_: Any) -> list[float]:
    """A stand-in: Tunix wants a function, and the scores come from the scorer."""
    raise AssertionError("the scorer gives the scores")


# --- numbers about a generation, under the names that TRL gives them


def _lengths(lengths: Sequence[int], truncated: Sequence[bool]) -> dict[str, float]:
    ended = [length for length, cut in zip(lengths, truncated, strict=True) if not cut] or [0]
    return {
        "completions/mean_length": float(np.mean(lengths)),
        "completions/min_length": float(min(lengths)),
        "completions/max_length": float(max(lengths)),
        "completions/clipped_ratio": float(np.mean(truncated)),
        "completions/mean_terminated_length": float(np.mean(ended)),
        "completions/min_terminated_length": float(min(ended)),
        "completions/max_terminated_length": float(max(ended)),
    }


def _by_reward(scores: Scores) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, given in scores.by_reward.items():
        values = [score for score in given if score is not None]
        found[f"rewards/{name}/mean"] = float(np.mean(values)) if values else math.nan
        found[f"rewards/{name}/std"] = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return found


def _mean(values: Sequence[float]) -> float:
    """Of what is known: a micro-batch that is left out of the loss as a whole has no share of clipped tokens."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan
