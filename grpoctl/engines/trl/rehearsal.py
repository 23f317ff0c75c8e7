"""What does a step take, before one is made: its time, or the memory of the longest? Nothing has moved after it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from trl import GRPOTrainer
from trl.trainer.utils import split_tensor_dict

from grpoctl.data.problems import Problem
from grpoctl.rewards.scoring import Scorer, Scores


class Rehearsing(GRPOTrainer):  # type: ignore[misc]  # TRL has no types
    """The part of a trainer that tries steps."""

    _problems: Sequence[Problem]
    _scorer: Any
    _ids_of: dict[str, list[int]]
    _ends: tuple[int, ...]
    samples: list[dict[str, Any]]
    on_phase: Callable[[str, int], None]

    def rehearse(self) -> None:
        """One micro-step on the first prompts, without a move of the optimiser: it takes as long as a real one."""
        count = self.args.per_device_train_batch_size // self.num_generations
        prompts = [self._problems[index % len(self._problems)].prompt for index in range(count)]
        with self._rehearsing(self._scorer.for_trial()):
            inputs = self._generate_and_score_completions(self._rows_of(prompts))
            self.accelerator.backward(self.compute_loss(self.model, inputs))

    def rehearse_longest(self, move: Callable[[], object]) -> None:
        """A step's rollout, and of its loss what takes the most memory, with every prompt as long as the longest one
        and every completion as long as it may be. `move` stands for the optimiser."""
        arguments = self.args
        count = arguments.per_device_train_batch_size * arguments.steps_per_generation // self.num_generations
        with self._rehearsing(_Unscored(self._scorer)), self._without_an_end(), self._as_long_as(count) as prompts:
            batch = self._generate_and_score_completions(self._rows_of(prompts))
            if arguments.gradient_checkpointing:  # which a training switches on as it begins
                self.model.gradient_checkpointing_enable(arguments.gradient_checkpointing_kwargs)
            # The gradients of the first are there while the second is computed.
            for inputs in split_tensor_dict(batch, arguments.steps_per_generation)[:2]:
                with self.accelerator.autocast():
                    loss = self.compute_loss(self.model, inputs)
                self.accelerator.backward(loss)
                del loss
            move()

    def longest_prompt(self) -> int:
        """In tokens, of the prompts that are trained on."""
        return max(map(len, self._tokenize_prompts([problem.prompt for problem in self._problems])[0]))

    def _rows_of(self, prompts: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {"prompt": prompt, "problem": index % len(self._problems)}
            for index, prompt in enumerate(prompts)
            for _ in range(self.num_generations)
        ]

    @contextmanager
    def _rehearsing(self, scorer: Any) -> Iterator[None]:
        kept, seen, on_phase = self._scorer, self.state.num_input_tokens_seen, self.on_phase
        self.current_gradient_accumulation_steps = self.args.gradient_accumulation_steps
        self._scorer, self.on_phase = scorer, lambda phase, step: None
        try:
            with torch.random.fork_rng():
                self.model.train()
                yield
        finally:
            self._scorer, self.state.num_input_tokens_seen, self.on_phase = kept, seen, on_phase
            self.model.zero_grad()
            self._metrics["train"].clear()
            self.samples = []

    @contextmanager
    def _without_an_end(self) -> Iterator[None]:
        """Every completion becomes as long as it may, whichever way it is drawn, and counts in the loss."""
        masks: bool = self.args.mask_truncated_completions
        self.mask_truncated_completions = False
        generation: Any = getattr(self, "generation_config", None)
        least = generation.min_new_tokens if generation is not None else None
        self._ends = ()
        if generation is not None:
            generation.min_new_tokens = self.max_completion_length
        if self.use_vllm:
            self.vllm_generation.generation_kwargs["ignore_eos"] = True
        try:
            yield
        finally:
            self.mask_truncated_completions, self._ends = masks, tuple(self.eos_token_ids)
            if generation is not None:
                generation.min_new_tokens = least
            if self.use_vllm:
                del self.vllm_generation.generation_kwargs["ignore_eos"]

    @contextmanager
    def _as_long_as(self, count: int) -> Iterator[list[str]]:
        """So many prompts as long as the longest one, no two alike, as equal ones are computed once."""
        longest = max(self._tokenize_prompts([problem.prompt for problem in self._problems])[0], key=len)
        known = len(self._tokenizer)
        made = {f"rehearsal {number}": [(longest[0] + number) % known, *longest[1:]] for number in range(count)}
        self._ids_of |= made
        try:
            yield list(made)
        finally:
            for name in made:
                del self._ids_of[name]


class _Unscored:
    """In place of rewards: a rehearsal's completions are nothing to judge."""

    def __init__(self, scorer: Scorer) -> None:
        self.rewards = scorer.rewards

    def score(self, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Scores:
        none: list[float | None] = [0.0] * len(completions)
        return Scores(dict.fromkeys(self.rewards, none), [0.0] * len(completions))
