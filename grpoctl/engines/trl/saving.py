"""What does a checkpoint of the TRL engine hold, and how does a run go on from one as if it was never stopped?"""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from trl import GRPOTrainer

from grpoctl.run import checkpoints
from grpoctl.run.directory import RunDirectory

_log = logging.getLogger(__name__)

_GENERATION = "generation_{}.pt"  # what TRL keeps between two steps on the same completions, by process


class Saving(GRPOTrainer):  # type: ignore[misc]  # TRL has no types
    """The part of a trainer that writes and reads checkpoints, each sealed and put in place whole."""

    _run: RunDirectory
    _keep: int | None
    _buffered_inputs: list[dict[str, Any]] | None
    _of_completions: dict[str, float]
    on_checkpoint: Callable[[int], None]
    on_phase: Callable[[str, int], None]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """TRL's checkpoint, written beside and put in place whole."""
        self.on_phase("writing a checkpoint", self.state.global_step)
        if self.accelerator.num_processes > 1:
            self._save_together(model, trial)
            return
        with checkpoints.writing(self._run, self.state.global_step) as folder:
            self._write_checkpoint(model, trial, folder)
        self._saved()

    def _save_together(self, model: Any, trial: Any) -> None:
        """Every process writes its part; the first seals the whole."""
        step, main = self.state.global_step, self.accelerator.is_main_process
        writing = checkpoints.writing(self._run, step)
        folder = writing.__enter__() if main else self._run.incoming / self._run.checkpoint(step).name
        self.accelerator.wait_for_everyone()
        self._write_checkpoint(model, trial, folder)
        self.accelerator.wait_for_everyone()
        if main:
            writing.__exit__(None, None, None)
            self._saved()
        self.accelerator.wait_for_everyone()

    def _write_checkpoint(self, model: Any, trial: Any, folder: Path) -> None:
        self._output_below = folder.parent
        try:
            super()._save_checkpoint(model, trial)
        finally:
            del self._output_below
        if not self.args.save_only_model:
            state = {
                "step": self._step,
                "inputs": self._between_generations(),
                "metrics": self._of_completions,
                "batch": self._batch(),
            }
            torch.save(state, folder / _GENERATION.format(self.accelerator.process_index))

    def _batch(self) -> list[int]:
        """What the counting of micro-steps stands on."""
        arguments = self.args
        micro_batch = arguments.per_device_train_batch_size
        counts = [micro_batch, arguments.steps_per_generation, self.num_iterations, self.num_generations]
        processes = self.accelerator.num_processes
        return [*counts, processes] if processes > 1 else counts

    def _saved(self) -> None:
        checkpoints.rotate(self._run, self._keep)
        self.on_checkpoint(self.state.global_step)

    def _between_generations(self) -> list[dict[str, Any]] | None:
        """The completions that later steps use again, or None where the next step draws new ones."""
        every = self.args.steps_per_generation * self.num_iterations
        inputs: list[dict[str, Any]] | None = self._buffered_inputs if self._step % every else None
        return inputs

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Without the copy of a start adapter that stands for the reference: it is made anew from the recipe, and a
        resume would load it in place of the trained one."""
        super()._save(output_dir, state_dict)
        shutil.rmtree(Path(output_dir or self.args.output_dir) / "ref", ignore_errors=True)

    def _get_output_dir(self, trial: Any) -> str:
        return str(getattr(self, "_output_below", None) or super()._get_output_dir(trial))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        told = [{name: group[name] for name in group if name != "params"} for group in self.optimizer.param_groups]
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        if not self.is_deepspeed_enabled:
            if not (Path(checkpoint) / "scheduler.pt").is_file():
                _log.warning("%s: holds the model alone, so the optimiser starts anew.", checkpoint)
                self.lr_scheduler.last_epoch = self.state.global_step
            self._let_the_recipe_decide(told)
        file = Path(checkpoint) / _GENERATION.format(self.accelerator.process_index)
        if file.is_file():
            state = torch.load(file, weights_only=True, map_location=self.accelerator.device.type)
            # A recipe that now counts its steps otherwise draws new completions from here on.
            if state["batch"] == self._batch():
                self._step, self._buffered_inputs = state["step"], state["inputs"]
                self._of_completions = state["metrics"]

    def _let_the_recipe_decide(self, told: list[dict[str, Any]]) -> None:
        """A checkpoint brings the rates of the recipe that it was written under; the one of now may say others."""
        schedule = self.lr_scheduler
        for group, of_the_recipe in zip(self.optimizer.param_groups, told, strict=True):
            group.update(of_the_recipe)
        schedule.base_lrs = [group["initial_lr"] for group in self.optimizer.param_groups]
        # Every schedule that a recipe can name is a factor on the peak rate.
        factors = [factor(schedule.last_epoch) for factor in schedule.lr_lambdas]
        for group, peak, factor in zip(self.optimizer.param_groups, schedule.base_lrs, factors, strict=True):
            group["lr"] = peak * factor
        schedule._last_lr = [group["lr"] for group in self.optimizer.param_groups]
