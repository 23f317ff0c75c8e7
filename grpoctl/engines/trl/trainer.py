"""Where does GRPO here differ from TRL's trainer? In what follows, in `saving` and in `rehearsal`, and nowhere else.

Completions come from `rollout`, log-probabilities from `log_probs` where the model allows both; rewards, advantages
and the numbers about them from grpoctl. Checkpoints stand in `saving`, what is tried before a training in `rehearsal`.
"""

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor
from trl.trainer.utils import split_tensor_dict

from grpoctl.advantage import advantages, spread
from grpoctl.data.problems import Problem, columns_of
from grpoctl.engines.trl import vllm
from grpoctl.engines.trl.log_probs import can_share_prompts, completion_log_probs
from grpoctl.engines.trl.rehearsal import Rehearsing
from grpoctl.engines.trl.rollout import Draw, can_roll_out, core_of, draw
from grpoctl.engines.trl.saving import Saving
from grpoctl.engines.trl.sharded import whole_weights
from grpoctl.engines.trl.stirred import can_stir, stirred
from grpoctl.engines.trl.vllm_weights import verify
from grpoctl.errors import GrpoctlError
from grpoctl.record import columns_kept, samples_of
from grpoctl.rewards.scoring import Scorer, Scores
from grpoctl.run.directory import RunDirectory


class NonFinite(GrpoctlError):
    """The loss or the gradient is no number any more."""


class GroupTrainer(Rehearsing, Saving):
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
        self.on_phase: Callable[[str, int], None] = lambda phase, step: None
        self._trained: Any = None
        super().__init__(reward_funcs=[_named(name) for name in scorer.rewards], **arguments)
        self._vllm_is_verified = False
        if self.use_vllm:
            vllm.limit_requests(self.vllm_generation, self.args.ddp_timeout)
        self._ends: tuple[int, ...] = tuple(self.eos_token_ids)
        plain = not (self.is_deepspeed_enabled or self.is_fsdp_enabled)
        self._rolls_out = not self.use_vllm and can_roll_out(self.model)
        # ZeRO-3 and FSDP gather a layer for one pass, and DeepSpeed's hooks expect one.
        again = self.args.gradient_checkpointing
        self._shares_prompts = plain and can_share_prompts(self.model, computed_again=again)
        core = core_of(self.model)
        getattr(core, core.base_model_prefix).register_forward_pre_hook(_count_positions, with_kwargs=True)

    def _send_telemetry(self) -> None:
        """Nothing is sent that the user did not ask for."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """A card is written where a model is exported."""

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

    def whole_weights(self) -> AbstractContextManager[None]:
        """All weights on each process for a while; each has to come here."""
        return whole_weights(self._trained or self.model_wrapped, self.accelerator)

    def _at(self, phase: str) -> None:
        self.on_phase(phase, self.state.global_step + 1)

    def _generate_single_turn(self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        self._at("drawing completions")
        if self.use_vllm:
            with vllm.alive(self.vllm_generation, self.state.global_step + 1, self._run.name):
                self._verify_vllm()
                ids, log_probs = super()._generate_single_turn(prompt_ids, *args, **kwargs)
            return ids, log_probs
        if not self._rolls_out:
            ids, log_probs = super()._generate_single_turn(prompt_ids, *args, **kwargs)
            return ids, log_probs
        how = Draw(self.max_completion_length, self._ends, self.temperature, self.top_k, self.top_p, self.min_p)
        number = self.state.global_step * self.accelerator.num_processes + self.accelerator.process_index
        with self.whole_weights(), self.accelerator.autocast():
            drawn = draw(
                self.accelerator.unwrap_model(self.model),
                prompt_ids,
                how,
                seeded_generator(self.args.seed, number, self.accelerator.device),
            )
        self._at("behind its completions")  # the others' are waited for
        return drawn.ids, None

    def _verify_vllm(self) -> None:
        """Once, ahead of the first completions that vLLM draws."""
        if self._vllm_is_verified:
            return
        quantised = bool(getattr(core_of(self.model), "is_quantized", False))
        plain = not (self.is_deepspeed_enabled or self.is_fsdp_enabled or quantised)
        moves = functools.partial(stirred, self.model) if plain and can_stir(self.model) else None
        (prompt,), _, _ = self._tokenize_prompts([self._problems[0].prompt])
        verify(
            self.vllm_generation, prompt, self._log_probs_of, moves, quantised=quantised, agreed=self._largest_of_all
        )
        self._last_loaded_step = self.state.global_step
        self._vllm_is_verified = True

    @torch.no_grad()
    def _log_probs_of(self, prompts: list[list[int]], completions: list[list[int]]) -> list[list[float]]:
        """By the model as it is."""
        found = []
        for prompt, completion in zip(prompts, completions, strict=True):
            ids = torch.tensor([[*prompt, *completion]], device=self.accelerator.device)
            given = self._get_per_token_logps_and_entropies(self.model, ids, torch.ones_like(ids), len(completion))
            found.append(given[0][0].tolist())
        return found

    def _largest_of_all(self, number: float) -> float:
        told = self.accelerator.gather(torch.tensor([number], device=self.accelerator.device))
        return float(told.max())  # NaN where there is one

    # --- rewards and advantages

    def _calculate_rewards(
        self, inputs: list[dict[str, Any]], prompts: list[str], completions: list[str], completion_ids: Any
    ) -> Tensor:
        self._at("scoring completions")
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
        self._at("behind its scores")
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
        core, again = core_of(self.accelerator.unwrap_model(model)), self.args.gradient_checkpointing
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
                parts.append(completion_log_probs(model, core, *prompt_and_completion, computed_again=again))
        log_probs = torch.cat([part[0] for part in parts])
        entropies = [part[1] for part in parts if part[1] is not None]
        return log_probs, torch.cat(entropies) if compute_entropy else None, None

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        self._at("computing the loss")
        loss = super().compute_loss(*args, **kwargs)
        self._at("computing the gradient")
        return loss

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        # Behind the last step transformers forgets what it wrapped, whose hooks stay with the layers.
        self._trained = args[0]
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
