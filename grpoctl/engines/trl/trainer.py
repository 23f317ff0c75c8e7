"""Where does GRPO here differ from TRL's trainer? In what follows, and nowhere else.

Completions come from `rollout`, log-probabilities from `log_probs` where the model allows both; rewards, advantages
and the numbers about them from grpoctl; checkpoints are sealed; and a resumed run is the run that was never stopped.
"""

import inspect
import logging
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor
from trl import GRPOTrainer
from trl.trainer.utils import split_tensor_dict

from grpoctl.advantage import advantages, spread
from grpoctl.data.problems import Problem, columns_of
from grpoctl.engines.trl.log_probs import can_share_prompts, completion_log_probs
from grpoctl.engines.trl.rollout import Draw, can_roll_out, core_of, draw
from grpoctl.errors import GrpoctlError
from grpoctl.record import columns_kept, samples_of
from grpoctl.rewards.scoring import Scorer, Scores
from grpoctl.run import checkpoints
from grpoctl.run.directory import RunDirectory

_log = logging.getLogger(__name__)

_GENERATION = "generation_{}.pt"  # what TRL keeps between two steps on the same completions, by process


class NonFinite(GrpoctlError):
    """The loss or the gradient is no number any more."""


class GroupTrainer(GRPOTrainer):  # type: ignore[misc]  # TRL has no types
    """TRL's trainer with grpoctl's rollouts, rewards, advantages and checkpoints."""

    def __init__(
        self, *, problems: Sequence[Problem], scorer: Scorer, run: RunDirectory, keep: int | None, **arguments: Any
    ) -> None:
        self._problems, self._scorer, self._run, self._keep = problems, scorer, run, keep
        self._ids_of: dict[str, list[int]] = {}
        self._scores: Scores
        self._drawn: tuple[list[Problem], list[str]]
        self._buffered_inputs: list[dict[str, Any]] | None
        self._of_completions: dict[str, float] = {}
        self.samples: list[dict[str, Any]] = []  # the completions drawn last, until somebody has taken them
        self.on_checkpoint: Callable[[int], None] = lambda step: None
        super().__init__(reward_funcs=[_named(name) for name in scorer.rewards], **arguments)
        plain = not (self.is_deepspeed_enabled or self.is_fsdp_enabled)
        self._rolls_out = plain and not self.use_vllm and can_roll_out(self.model)
        # Two passes through one wrapped model would confuse the hooks of distributed training, and checkpointing
        # computes layers again without their cache.
        alone = plain and self.accelerator.num_processes == 1
        self._shares_prompts = alone and not self.args.gradient_checkpointing and can_share_prompts(self.model)
        core = core_of(self.model)
        getattr(core, core.base_model_prefix).register_forward_pre_hook(_count_positions, with_kwargs=True)

    def _send_telemetry(self) -> None:
        """Nothing is sent that the user did not ask for."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """A card is written where a model is exported."""

    def rehearse(self) -> None:
        """One micro-step on the first prompts, without a move of the optimiser: it takes as long as a real one."""
        count = self.args.per_device_train_batch_size // self.num_generations
        rows = [
            {"prompt": self._problems[index % len(self._problems)].prompt, "problem": index % len(self._problems)}
            for index in range(count)
            for _ in range(self.num_generations)
        ]
        self.current_gradient_accumulation_steps = self.args.gradient_accumulation_steps
        scorer = self._scorer
        self._scorer = scorer.for_trial()
        with torch.random.fork_rng():
            self.model.train()
            inputs = self._generate_and_score_completions(rows)
            self.accelerator.backward(self.compute_loss(self.model, inputs))
        self._scorer = scorer
        self.model.zero_grad()
        self._metrics["train"].clear()
        self.samples = []

    # --- data

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        """TRL's order of prompts, which is drawn anew each epoch; here from the epoch's number, so that a resumed run
        knows it too."""
        sampler = super()._get_train_sampler(dataset)
        sampler.__class__ = _seeded(type(sampler))
        return sampler

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """TRL's, without its shuffle: all completions of a generation are used in the same optimiser step."""
        if not self.model.training:
            return super()._prepare_inputs(generation_batch)
        parts = self.args.steps_per_generation
        if self._step % (parts * self.num_iterations) == 0 or self._buffered_inputs is None:
            batch = self._generate_and_score_completions(generation_batch)
            self._buffered_inputs = split_tensor_dict(batch, parts)
            self._of_completions = {name: values[-1] for name, values in self._metrics["train"].items() if values}
        elif self._step % parts == 0:
            # A step on completions that were used before learns from them all the same, so it tells of them too.
            for name, value in self._of_completions.items():
                self._metrics["train"][name].append(value)
        return self._buffered_inputs[self._step % parts]

    # --- completions

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """The chat template has written every special token already, so none is added."""
        for prompt in set(prompts) - self._ids_of.keys():
            self._ids_of[prompt] = self._tokenizer(prompt, add_special_tokens=False)["input_ids"]
        return [self._ids_of[prompt] for prompt in prompts], None, {}

    def _generate_single_turn(self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if not self._rolls_out:
            ids, log_probs = super()._generate_single_turn(prompt_ids, *args, **kwargs)
            return ids, log_probs
        how = Draw(
            self.max_completion_length, tuple(self.eos_token_ids), self.temperature, self.top_k, self.top_p, self.min_p
        )
        number = self.state.global_step * self.accelerator.num_processes + self.accelerator.process_index
        with self.accelerator.autocast():
            drawn = draw(
                self.accelerator.unwrap_model(self.model),
                prompt_ids,
                how,
                seeded_generator(self.args.seed, number, self.accelerator.device),
            )
        return drawn.ids, None

    # --- rewards and advantages

    def _calculate_rewards(
        self, inputs: list[dict[str, Any]], prompts: list[str], completions: list[str], completion_ids: Any
    ) -> Tensor:
        problems = [self._problems[row["problem"]] for row in inputs]
        lengths = [len(ids) for ids in completion_ids]
        columns = columns_of([problem.row for problem in problems], prompts, lengths)
        self._scores = scores = self._scorer.score(completions, columns)
        self._drawn = problems, completions
        table = [scores.by_reward[name] for name in self.reward_func_names]
        rewards = torch.tensor(
            [[math.nan if score is None else score for score in row] for row in zip(*table, strict=True)]
        )
        rewards[torch.tensor(scores.totals).isnan()] = math.nan  # where one reward failed, none counts
        gathered: Tensor = self.accelerator.gather(rewards.to(self.accelerator.device))
        return gathered

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        totals = np.array(gather_object(self._scores.totals)).reshape(-1, self.num_generations)
        ours = advantages(totals, self.scale_rewards).reshape(-1)
        first = self.accelerator.process_index * len(inputs)
        mine = ours[first : first + len(inputs)]
        output["advantages"] = torch.tensor(mine, dtype=torch.float32, device=self.accelerator.device)
        failures = sum(gather_object([sum(self._scores.failures.values())]))
        metrics = self._metrics["train"]
        for name, value in {**spread(totals), "reward_failures": float(failures)}.items():
            # In place of TRL's own: it counts a group as spread where two equal sums were rounded apart.
            recorded = metrics[name]
            if name in ("reward", "reward_std"):
                recorded.pop()
            recorded.append(value)
        columns = columns_kept(self._scorer)
        self.samples = gather_object(samples_of(*self._drawn, self._scores, mine, columns))
        return output

    # --- the loss

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **others: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        if not self._shares_prompts or compute_aux_loss:
            result: tuple[Tensor, Tensor | None, Tensor | None] = super()._get_per_token_logps_and_entropies(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                batch_size,
                compute_entropy,
                compute_aux_loss,
                **others,
            )
            return result
        core = core_of(self.accelerator.unwrap_model(model))
        parts = []
        for start in range(0, len(input_ids), batch_size or len(input_ids)):
            rows = slice(start, start + (batch_size or len(input_ids)))
            ids, mask = input_ids[rows], attention_mask[rows]
            with self.accelerator.autocast():
                prompt_and_completion = (
                    ids[:, :-logits_to_keep],
                    mask[:, :-logits_to_keep],
                    ids[:, -logits_to_keep:],
                    mask[:, -logits_to_keep:],
                )
                parts.append(completion_log_probs(model, core, *prompt_and_completion))
        log_probs = torch.cat([part[0] for part in parts])
        entropies = [part[1] for part in parts if part[1] is not None]
        return log_probs, torch.cat(entropies) if compute_entropy else None, None

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        loss: Tensor = super().training_step(*args, **kwargs)
        if not torch.isfinite(loss):
            raise NonFinite(self._non_finite("loss"))
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Read before the optimiser moves, so that a gradient that is no number never reaches the weights."""
        norm = super()._get_grad_norm(model, grad_norm)
        # float16's loss scaling meets infinite gradients as it looks for its scale, and skips those steps itself.
        if not self.args.fp16 and norm is not None and not math.isfinite(float(norm)):
            raise NonFinite(self._non_finite("gradient"))
        return norm

    def _non_finite(self, what: str) -> str:
        step = self.state.global_step + 1
        return (
            f"step {step}: the {what} is no finite number; the weights of step {step - 1} are untouched. Lower "
            f"learning_rate (it is {self.args.learning_rate:g}) or max_grad_norm, then go on from the last checkpoint: "
            f"grpoctl train --resume {self._run.name} learning_rate=…"
        )

    # --- checkpoints

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """TRL's checkpoint, written beside and put in place whole."""
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
        return [micro_batch, arguments.steps_per_generation, self.num_iterations, self.num_generations]

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


def _count_positions(module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """TRL leaves the counting to the model, and one with learned positions then counts the padding on the left too."""
    mask = kwargs.get("attention_mask")
    counted = kwargs.get("position_ids") is not None or kwargs.get("past_key_values") is not None
    takes_them = "position_ids" in inspect.signature(module.forward).parameters
    if takes_them and not counted and isinstance(mask, Tensor) and mask.dim() == 2:
        kwargs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
    return args, kwargs


def seeded_generator(seed: int, number: int, device: torch.device) -> torch.Generator:
    """Random numbers of their own for each draw of a run."""
    # Far apart, so that step 1 of seed 0 is not step 0 of seed 1.
    return torch.Generator(device).manual_seed((seed * 0x9E3779B97F4A7C15 + number) % 2**63)


def _named(name: str) -> Callable[..., list[float]]:
    """A stand-in under a reward's name: TRL wants functions, and the scores come from the scorer."""

    def stand_in(**_: Any) -> list[float]:
        raise AssertionError("the scorer gives the scores")

    stand_in.__name__ = name
    return stand_in


def _seeded(sampler: Any) -> Any:
    class EpochSampler(sampler):  # type: ignore[misc]
        epoch = 0

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __iter__(self) -> Any:
            self.generator.manual_seed(self.seed + 1_000_003 * self.epoch)
            return super().__iter__()

    return EpochSampler
