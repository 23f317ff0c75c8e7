"""What does engine trl make of the steps that every engine is given? For `grpoctl parity`.

The trainer is the one that trains, with its settings from the recipe and its path from a batch to a gradient; what it
would ask its model and its rollout is given.
"""

import functools
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM
from transformers.modeling_outputs import BaseModelOutputWithPast
from trl import GRPOConfig

from grpoctl import shipped
from grpoctl.data.problems import columns_of
from grpoctl.engines.base import TrainJob
from grpoctl.engines.trl import load, translate
from grpoctl.engines.trl.rollout import Draw, core_of, draw
from grpoctl.engines.trl.train import build
from grpoctl.engines.trl.trainer import GroupTrainer, seeded_generator
from grpoctl.parity.given import Array, Case, Recorded, Replayed, Step
from grpoctl.run.directory import RunDirectory

# --- one step's loss


def loss_and_gradient(case: Case) -> tuple[float, Array]:
    """The loss of the step, and its gradient by the logits."""
    load.quieten_libraries()
    logits = torch.tensor(case.logits, requires_grad=True)
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer_of(case, logits, Path(folder))
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = case.micro_batches
    losses = [trainer.training_step(trainer.model, None, None) for _ in range(case.micro_batches)]
    assert logits.grad is not None
    return float(sum(losses)), logits.grad.numpy()


class _Given(GroupTrainer):
    """The trainer that has drawn and scored the completions of a case."""

    case: Case

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Tensor]:
        case, mask = self.case, torch.tensor(self.case.mask).long()
        output = {
            "prompt_ids": torch.arange(len(mask))[:, None],  # the row itself, which `_known` reads
            "prompt_mask": torch.ones(len(mask), 1, dtype=torch.long),
            "completion_ids": torch.tensor(case.completion_ids),
            "completion_mask": mask,
            "advantages": torch.tensor(case.advantages),
            "num_items_in_batch": mask.sum(),
        }
        given = {"old_per_token_logps": case.old, "ref_per_token_logps": case.reference}
        return output | {name: torch.tensor(value) for name, value in given.items() if value is not None}


def _known(logits: Tensor, input_ids: Tensor, **_: Any) -> BaseModelOutputWithPast:
    """In place of a model's layers: what they give before a head that changes nothing."""
    hidden = torch.nn.functional.pad(logits[input_ids[:, 0]], (0, 0, 0, 1))
    return BaseModelOutputWithPast(last_hidden_state=hidden)


def _trainer_of(case: Case, logits: Tensor, folder: Path) -> GroupTrainer:
    vocabulary = case.logits.shape[-1]
    layers = {"num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 2}
    sizes = {"vocab_size": vocabulary, "hidden_size": vocabulary, "intermediate_size": 2}
    names = {f"reward {number}": None for number, _ in enumerate(case.recipe.reward_funcs)}
    trainer = GroupTrainer(
        problems=[],
        scorer=SimpleNamespace(rewards=names),  # type: ignore[arg-type]
        run=RunDirectory(folder),
        keep=None,
        model=Qwen3ForCausalLM(Qwen3Config(**sizes, **layers, tie_word_embeddings=False)),
        args=GRPOConfig(**translate.grpo_arguments(case.recipe, str(folder), on_cpu=True)),
        train_dataset=Dataset.from_dict({"prompt": [""] * len(case.logits)}),
        processing_class=AutoTokenizer.from_pretrained(shipped.MODELS["tiny"]),
        # With adapters TRL makes no second model for the reference, whose answers are given too.
        peft_config=LoraConfig(r=1, target_modules=["q_proj"]),
    )
    trainer.__class__ = _Given
    trainer.case = case
    trainer._shares_prompts = False  # these prompts are no tokens
    core: Any = core_of(trainer.model)
    core.model.forward = functools.partial(_known, logits)
    core.lm_head.weight.data = torch.eye(vocabulary)
    return trainer


# --- a training


def record(job: TrainJob, count: int) -> Recorded:
    """So many generations of the model as it is before training, and the weights that a training starts with."""
    trainer, _ = build(job)
    recipe, size = job.recipe, job.recipe.num_generations
    each = recipe.per_device_train_batch_size * recipe.gradient_accumulation_steps
    how = Draw(trainer.max_completion_length, tuple(trainer.eos_token_ids), recipe.temperature)
    steps = []
    for number in range(count):
        problems = [job.problems[(number * each + place) % len(job.problems)] for place in range(each)]
        rows = [problem for problem in problems for _ in range(size)]
        prompts = [problem.prompt for problem in rows]
        prompt_ids, _, _ = trainer._tokenize_prompts(prompts)
        ids = draw(trainer.model, prompt_ids, how, seeded_generator(recipe.seed, number, trainer.model.device)).ids
        texts = trainer.processing_class.batch_decode(ids, skip_special_tokens=True)
        columns = columns_of([problem.row for problem in rows], prompts, [len(row) for row in ids])
        steps.append(Step(problems, ids, job.scorer.for_trial().score(texts, columns).totals))
    return Recorded(steps, _weights(trainer))


def replay(job: TrainJob, recorded: Recorded) -> Replayed:
    """Train on what was recorded."""
    load.quieten_libraries()
    trainer, _ = build(job)
    trainer.__class__ = _Replaying
    trainer.steps, trainer.handed, trainer.told = recorded.steps, [], []
    if job.recipe.finetuning_type == "lora":
        set_peft_model_state_dict(trainer.model, {name: torch.tensor(part) for name, part in recorded.start.items()})
    trainer.train()
    told = [logs for logs in trainer.told if "grad_norm" in logs]
    return Replayed(
        advantages=trainer.handed,
        losses=[float(logs["loss"]) for logs in told],
        kls=[float(logs["kl"]) for logs in told],
        grad_norms=[float(logs["grad_norm"]) for logs in told],
        weights=_weights(trainer),
    )


class _Replaying(GroupTrainer):
    """The trainer, whose completions and rewards were recorded."""

    steps: list[Step]
    handed: list[Array]  # the advantages of each generation
    told: list[dict[str, Any]]

    @property
    def _now(self) -> Step:
        return self.steps[len(self.handed)]

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        places = [self._problems.index(problem) for problem in self._now.problems]
        rows = [
            {"prompt": self._problems[place].prompt, "problem": place}
            for place in places
            for _ in range(self.num_generations)
        ]
        output = super()._generate_and_score_completions(rows)
        self.handed.append(output["advantages"].numpy())
        return output

    def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        return self._now.completion_ids, None

    def _calculate_rewards(self, *args: Any) -> Tensor:
        gathered = super()._calculate_rewards(*args)
        self._scores = replace(self._scores, totals=self._now.rewards)
        return gathered

    def log(self, logs: dict[str, float], *args: Any) -> None:
        super().log(logs, *args)
        self.told.append(logs)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Nobody goes on from here."""


def _weights(trainer: GroupTrainer) -> dict[str, Array]:
    if hasattr(trainer.model, "peft_config"):
        tensors = get_peft_model_state_dict(trainer.model)
    else:
        tensors = dict(trainer.model.named_parameters())
    return {name: np.array(part.detach().float()) for name, part in tensors.items()}
