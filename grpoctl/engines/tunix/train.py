"""What happens between a checked recipe and a trained model, on JAX?"""

import logging
import time
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from grpoctl.engines.base import Outcome, TrainJob
from grpoctl.engines.tunix import checkpoint, hosts, translate
from grpoctl.engines.tunix.cluster import make_cluster
from grpoctl.engines.tunix.devices import Profile, memory_in_words, settle
from grpoctl.engines.tunix.learner import Generation, GroupLearner
from grpoctl.engines.tunix.load import Loaded, load
from grpoctl.engines.tunix.longest_step import try_longest_step
from grpoctl.engines.tunix.rollout import Rollout
from grpoctl.engines.tunix.sampler import JaxSampler, LeadingSampler, follow
from grpoctl.engines.tunix.weights import write_model
from grpoctl.errors import Finding, InputError
from grpoctl.record import evaluate_and_tell, keep_model, lacks_its_evaluation, tell_step, write_samples
from grpoctl.run import checkpoints
from grpoctl.run import events as ev
from grpoctl.tokenizer import refuse_unknown_tokens

_log = logging.getLogger(__name__)


def train(job: TrainJob) -> Outcome:
    """Load, evaluate, train, keep the model, evaluate again."""
    settle(job.recipe)
    job.checkpoint = _where_to_go_on(job)
    hosts.refuse_idle_hosts(job.recipe.mesh.fsdp, job.recipe.mesh.tensor)
    loaded = load(job.recipe, job.model, None, to_train=True)
    refuse_unknown_tokens(loaded.tokenizer, loaded.vocabulary, [*job.problems, *job.eval_problems], job.model)
    _log.info("memory with the model loaded: %s", memory_in_words())
    return _Session(job, loaded).run()


def _where_to_go_on(job: TrainJob) -> Path | None:
    """The checkpoint that the first host found."""
    if not hosts.are_several():
        return job.checkpoint
    named = hosts.agreed(lambda: str(job.checkpoint or ""))
    if not job.run.manifest.is_file():  # the first host has written it
        problem = f"is {job.run.path}, which is not the same folder on every host"
        raise InputError(Finding(problem, "name one on storage that all hosts share", key="output_dir"))
    return Path(named) if named else None


class _Session:
    """One training as the run folder sees it: its steps, its evals, its checkpoints, its end."""

    def __init__(self, job: TrainJob, loaded: Loaded) -> None:
        self._job, self._loaded = job, loaded
        cluster = make_cluster(job, loaded)
        self._learner = GroupLearner(cluster, job, loaded.tokenizer, loaded.end_ids)
        rollout = Rollout(self._learner.model, has_cache=loaded.kind.has_cache)
        self._sampler = JaxSampler(
            rollout, loaded.tokenizer, loaded.end_ids, job.recipe.max_completion_length or 0, loaded.mesh
        )
        self._generation: Generation | None = None
        self._sums: dict[str, list[float]] = defaultdict(list)  # of the steps since the last that was told
        self._profile = Profile(job.recipe.profile_steps, job.run.path / "profile")

    def run(self) -> Outcome:
        job, recipe = self._job, self._job.recipe
        step = checkpoints.step_of(job.checkpoint)
        if recipe.longest_step_first:
            try_longest_step(job, self._learner)
        if job.checkpoint is not None:
            self._go_on_from(job.checkpoint)
        if step == 0 or hosts.agreed(lambda: lacks_its_evaluation(job, step)):
            self._evaluate(step)
        while step < job.max_steps and self._stop_signal() is None:
            with self._profile.around(step):
                self._take(step)
            step += 1
            if step % recipe.save_steps == 0 or step == job.max_steps:
                self._save(step)
            if step < job.max_steps and self._is_due(step) and self._stop_signal() is None:
                self._evaluate(step)
        self._profile.close()
        if step < job.max_steps:
            if step > checkpoints.step_of(job.checkpoint) and hosts.agreed(lambda: self._is_unsaved(step)):
                self._save(step)
            return Outcome(step, job.max_steps, self._stop_signal())
        self._keep_model()
        # A signal that comes after the last evaluation finds nothing left to stop.
        return Outcome(step, job.max_steps, None if self._evaluate(step) else self._stop_signal())

    def _is_due(self, step: int) -> bool:
        recipe = self._job.recipe
        if recipe.eval_strategy == "steps":
            return step % (recipe.eval_steps or 1) == 0
        each = self._learner.generations_an_epoch * recipe.num_iterations
        return recipe.eval_strategy == "epoch" and step % each == 0

    def _is_unsaved(self, step: int) -> bool:
        return step not in checkpoints.steps_of(self._job.run)

    def _stop_signal(self) -> int | None:
        return hosts.any_signal(self._job.stop_signal())

    def _evaluate(self, step: int) -> bool:
        """Whether it came to its end."""
        job = self._job
        if not hosts.are_several():
            return evaluate_and_tell(job, self._sampler, step)
        if not hosts.leads():
            return follow(self._sampler, job.stop_signal)
        leading = LeadingSampler(self._sampler, job.stop_signal)
        alone = replace(job, stop_signal=leading.stop_signal)
        return leading.lead(lambda: evaluate_and_tell(alone, leading, step))

    # --- a step

    def _take(self, step: int) -> None:
        """The step behind that many others."""
        began, recipe = time.perf_counter(), self._job.recipe
        drawn: list[dict[str, Any]] = []
        if self._generation is None or step % recipe.num_iterations == 0:
            self._generation = self._learner.draw(step // recipe.num_iterations)
            drawn = self._generation.samples
        metrics = self._learner.update(step, self._generation.examples)
        if step == checkpoints.step_of(self._job.checkpoint):
            _log.info("memory after the first step: %s", memory_in_words())
        if hosts.leads():
            self._tell(step + 1, {**self._generation.metrics, **metrics}, drawn, time.perf_counter() - began)

    def _tell(self, step: int, metrics: dict[str, float], drawn: list[dict[str, Any]], seconds: float) -> None:
        job, recipe = self._job, self._job.recipe
        for name, value in {**metrics, "step_time_s": seconds}.items():
            self._sums[name].append(value)
        if step % recipe.logging_steps and step < job.max_steps:
            return
        write_samples(job, step, drawn)
        means = {name: fmean(values) for name, values in self._sums.items()}
        self._sums.clear()
        prompts = recipe.per_device_train_batch_size * recipe.mesh.fsdp * recipe.gradient_accumulation_steps
        tell_step(
            job,
            step,
            {**means, "learning_rate": metrics["learning_rate"]},
            completions=prompts * recipe.num_generations // recipe.num_iterations,
            step_time_s=means.pop("step_time_s"),
            epoch=step / recipe.num_iterations / self._learner.generations_an_epoch,
        )

    # --- checkpoints

    def _save(self, step: int) -> None:
        job, recipe, generation = self._job, self._job.recipe, self._generation
        between = step % recipe.num_iterations and generation
        beside = job.run.incoming / job.run.checkpoint(step).name
        with checkpoints.writing(job.run, step) if hosts.leads() else nullcontext(beside) as folder:
            hosts.meet("the folder is there")
            checkpoint.save(
                folder,
                self._learner.model,
                None if recipe.save_only_model else self._learner.optimiser,
                {"step": step, "batch": self._batch(), "metrics": generation.metrics if between and generation else {}},
                generation.examples if between and generation and not recipe.save_only_model else None,
            )
            hosts.meet("all have written")
        if hosts.leads():
            checkpoints.rotate(job.run, recipe.save_total_limit)
            job.stream.tell(ev.CHECKPOINT, step=step)

    def _keep_model(self) -> None:
        job, model = self._job, hosts.on_first_host(self._learner.model)
        if model is not None:
            keep_model(job.run, lambda folder: write_model(folder, job.recipe, job.model, self._loaded, model))

    def _go_on_from(self, folder: Path) -> None:
        checkpoint.load_weights(folder, self._learner.model)
        if not checkpoint.load_optimiser(folder, self._learner.optimiser):
            _log.warning("%s: holds the model alone, so the optimiser starts anew.", folder)
        kept, examples = checkpoint.load_step(folder)
        # A recipe that now counts its steps otherwise draws new completions from here on.
        if examples and kept["batch"] == self._batch():
            self._generation = Generation(examples, kept["metrics"], [])

    def _batch(self) -> list[int]:
        settings = translate.batch_settings(self._job.recipe)
        return [*settings.values(), self._job.recipe.num_iterations, self._job.recipe.num_generations]
