"""What happens between a checked recipe and a network that reads digits?"""

import logging
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from grpoctl.digits.pixels import pixels_of
from grpoctl.engines.base import Outcome, TrainJob
from grpoctl.engines.mlp import checkpoint
from grpoctl.engines.mlp.learner import Learner
from grpoctl.engines.mlp.mistakes import draw_mistakes
from grpoctl.engines.mlp.network import MODEL, count, save_leaves
from grpoctl.engines.mlp.sampler import DigitSampler
from grpoctl.engines.mlp.translate import settings_of
from grpoctl.errors import GrpoctlError
from grpoctl.record import evaluate_and_tell, forgiving, keep_model, lacks_its_evaluation, tell_step, write_samples
from grpoctl.run import checkpoints
from grpoctl.run import events as ev
from grpoctl.schedule import rate_at

_log = logging.getLogger(__name__)

# Of the thousands of answers of a step, so many pictures' are kept.
_PICTURES_KEPT = 8


def train(job: TrainJob) -> Outcome:
    """Evaluate, train, keep the network, evaluate again."""
    return _Session(job).run()


class _Session:
    """One training as the run folder sees it. Between two records all steps are one compiled scan."""

    def __init__(self, job: TrainJob) -> None:
        self._job, self._settings = job, settings_of(job.recipe)
        labels = [int(problem.row.answer) for problem in job.problems]
        pixels = pixels_of([problem.prompt for problem in job.problems])
        self._learner = Learner(self._settings, job.recipe.seed, pixels, labels)
        self._state = self._learner.begin()
        self._rate_at = rate_at(job.recipe, job.max_steps)
        weights, moments = count(self._state.weights), count(self._state.optimiser)
        self._sizes = {
            "networks": len(self._state.weights),
            "parameters": weights,
            "optimizer_mib": 4 * moments / 2**20,
        }

    def run(self) -> Outcome:
        job = self._job
        step = checkpoints.step_of(job.checkpoint)
        if job.checkpoint is not None:
            self._go_on_from(job.checkpoint)
        if step == 0 or lacks_its_evaluation(job, step):
            self._evaluate(step)
        while step < job.max_steps and job.stop_signal() is None:
            end = self._next_record(step)
            self._take(step, end)
            step = end
            if step % job.recipe.save_steps == 0 or step == job.max_steps:
                self._save(step)
            if step < job.max_steps and self._is_due(step) and job.stop_signal() is None:
                self._evaluate(step)
        if step < job.max_steps:
            if step > checkpoints.step_of(job.checkpoint) and step not in checkpoints.steps_of(job.run):
                self._save(step)
            return Outcome(step, job.max_steps, job.stop_signal())
        actor = self._state.weights["actor"]
        keep_model(job.run, lambda folder: _write_model(actor, folder))
        if not self._evaluate(step):
            return Outcome(step, job.max_steps, job.stop_signal())
        with forgiving("the mistakes"):
            draw_mistakes(self._sampler(), job.eval_problems, job.run.plots)
        # A signal that comes after the last evaluation finds nothing left to stop.
        return Outcome(step, job.max_steps, None)

    def _next_record(self, step: int) -> int:
        """The first step at whose end something is told, saved or evaluated."""
        recipe = self._job.recipe
        rhythms = [recipe.logging_steps, recipe.save_steps]
        if recipe.eval_strategy != "no":
            rhythms.append(self._steps_between_evaluations())
        return min(self._job.max_steps, *((step // each + 1) * each for each in rhythms))

    def _is_due(self, step: int) -> bool:
        return self._job.recipe.eval_strategy != "no" and step % self._steps_between_evaluations() == 0

    def _steps_between_evaluations(self) -> int:
        if self._job.recipe.eval_strategy == "steps":
            return self._job.recipe.eval_steps or 1
        return self._learner.batches_an_epoch * self._settings.rounds

    def _sampler(self) -> DigitSampler:
        return DigitSampler(self._learner.networks, self._state.weights)

    def _evaluate(self, step: int) -> bool:
        return evaluate_and_tell(self._job, self._sampler(), step)

    # --- steps

    def _take(self, first: int, end: int) -> None:
        began, settings = time.perf_counter(), self._settings
        rates = [self._rate_at(step) for step in range(first, end)]
        self._state, told = self._learner.take(self._state, first, rates)
        numbers = {name: np.asarray(values, np.float64) for name, values in told.items()}
        seconds = time.perf_counter() - began
        self._refuse_no_numbers(numbers, first)
        self._write_samples(end)
        means = {name: float(values.mean()) for name, values in numbers.items()}
        draws = -(-end // settings.rounds)
        drawn = settings.pictures * settings.answers
        tell_step(
            self._job,
            end,
            {
                **means,
                "rewards/accuracy/mean": means["reward"],
                "completions/mean_length": 1.0,
                "completions/clipped_ratio": 0.0,
                "learning_rate": fmean(rates),
                "samples_drawn": draws * drawn,
                **self._sizes,
            },
            completions=drawn // settings.rounds,
            step_time_s=seconds / (end - first),
            epoch=draws / self._learner.batches_an_epoch,
        )

    def _refuse_no_numbers(self, numbers: dict[str, Any], first: int) -> None:
        for name, what in (("loss", "loss"), ("grad_norm", "gradient")):
            bad = np.flatnonzero(~np.isfinite(numbers[name]))
            if len(bad):
                raise GrpoctlError(
                    f"step {first + bad[0] + 1}: the {what} is no finite number. Lower learning_rate (it is "
                    f"{self._job.recipe.learning_rate:g}) or set max_grad_norm, then go on from the last checkpoint: "
                    f"grpoctl train --resume {self._job.run.name} learning_rate=…"
                )

    def _write_samples(self, step: int) -> None:
        """The answers to the first pictures of the step."""
        [places] = self._learner.places([step - 1])
        answers, advantages = (
            np.asarray(each[:, :_PICTURES_KEPT])
            for each in (self._state.drawn.answers_G_B, self._state.drawn.advantages_G_B)
        )
        kept = []
        for picture, place in enumerate(places[:_PICTURES_KEPT]):
            problem = self._job.problems[place]
            for answer, advantage in zip(answers[:, picture], advantages[:, picture], strict=True):
                right = float(str(answer) == problem.row.answer)
                kept.append(
                    {
                        "prompt": problem.prompt,
                        "question": problem.row.question,
                        "completion": str(answer),
                        "answer": problem.row.answer,
                        "rewards": {"accuracy": right},
                        "reward": right,
                        "advantage": round(float(advantage), 6),
                    }
                )
        write_samples(self._job, step, kept)

    # --- checkpoints

    def _save(self, step: int) -> None:
        job = self._job
        with checkpoints.writing(job.run, step) as folder:
            checkpoint.save(folder, self._state, only_model=job.recipe.save_only_model)
        checkpoints.rotate(job.run, job.recipe.save_total_limit)
        job.stream.tell(ev.CHECKPOINT, step=step)

    def _go_on_from(self, folder: Path) -> None:
        self._state, whole = checkpoint.load(folder, self._state)
        if not whole:
            _log.warning("%s: holds the model alone, so the optimiser starts anew.", folder)


def _write_model(actor: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_leaves(actor, folder / MODEL)
