"""Do both engines learn the same from the same completions?

The tiny model is trained by both, on completions and rewards that were recorded once, with the recipe's loss, adapters
and optimiser. KL is on, whatever the recipe says, so that the reference takes part.
"""

import dataclasses
import importlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from grpoctl.engines.base import ENGINES, TrainJob
from grpoctl.job import make_job
from grpoctl.parity.given import Array, Recorded, Replayed, parity_of
from grpoctl.plan import plan_new
from grpoctl.recipe.schema import Recipe
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Stream
from grpoctl.run.stop import StopRequest

# Of the way that the weights went, of a number about a step, and of an advantage.
WEIGHTS_TOLERANCE, STEP_TOLERANCE, ADVANTAGE_TOLERANCE = 1e-2, 1e-2, 1e-5

# A loss is the mean of what cancels out, so its rounding is no share of it: of this at least.
_LEAST = 1e-3

_KL = 0.04  # where the recipe has none
_PROMPTS, _GENERATIONS, _MICRO_STEPS = 4, 8, 2  # at most, of a step

# What makes a training the recipe's, and not its model's, its data's or its machine's.
_TAKEN = (
    "loss_type", "epsilon", "epsilon_high", "scale_rewards", "num_iterations", "mask_truncated_completions",
    "temperature", "learning_rate", "lr_scheduler_type", "warmup_steps", "warmup_ratio", "weight_decay", "adam_beta1",
    "adam_beta2", "adam_epsilon", "max_grad_norm", "finetuning_type", "lora_rank", "lora_alpha", "use_rslora", "seed",
)  # fmt: skip


class _Recorder(Protocol):
    def record(self, job: TrainJob, count: int) -> Recorded: ...


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How far two replays are apart. `weights` is the distance of the ends, as a share of the way from the start."""

    steps: int
    learning_rate: float
    advantages: float
    losses: float
    kls: float
    grad_norms: float
    weights: float

    @property
    def ok(self) -> bool:
        numbers = (self.losses, self.kls, self.grad_norms)
        return (
            self.advantages <= ADVANTAGE_TOLERANCE
            and all(number <= STEP_TOLERANCE for number in numbers)
            and self.weights <= WEIGHTS_TOLERANCE
        )

    def as_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "tolerance": WEIGHTS_TOLERANCE, "ok": self.ok}


def compare_replays(recipe: Recipe, steps: int, engines: Sequence[str] = ("trl", "tunix")) -> Comparison:
    """Record with the first engine, and train with both."""
    with tempfile.TemporaryDirectory() as folder:
        jobs = [_job(recipe, steps, engine, Path(folder)) for engine in engines]
        recorder = cast(_Recorder, importlib.import_module(str(ENGINES[engines[0]].parity)))
        recorded = recorder.record(jobs[0], -(-steps // recipe.num_iterations))
        one, other = (parity_of(engine).replay(job, recorded) for engine, job in zip(engines, jobs, strict=True))
    return _compare(one, other, recorded.start, recipe, steps)


def _job(recipe: Recipe, steps: int, engine: str, folder: Path) -> TrainJob:
    """The tiny model and its sums, trained as the recipe says."""
    plan = plan_new("quickstart", [f"output_dir={folder / engine}", "eval_dataset=null", "report_to=none"])
    changes: dict[str, Any] = {name: getattr(recipe, name) for name in _TAKEN}
    changes |= {
        "engine": engine,
        "pref_beta": recipe.pref_beta or _KL,
        "num_generations": min(recipe.num_generations, _GENERATIONS),
        "per_device_train_batch_size": _PROMPTS // _MICRO_STEPS,
        "gradient_accumulation_steps": _MICRO_STEPS,
        "max_steps": steps,
        "logging_steps": 1,
        "save_steps": steps,
        "num_threads": 1,
    }
    plan.found.recipe = plan.recipe.model_copy(update=changes)
    job = make_job(plan, RunDirectory(folder / engine), Stream(), None, StopRequest())
    return dataclasses.replace(job, max_steps=steps)


def _compare(one: Replayed, other: Replayed, start: dict[str, Array], recipe: Recipe, steps: int) -> Comparison:
    apart = {name: one.weights[name] - other.weights[name] for name in start}
    way = {name: one.weights[name] - start[name] for name in start}
    return Comparison(
        steps=steps,
        learning_rate=recipe.learning_rate,
        advantages=max(float(np.abs(a - b).max()) for a, b in zip(one.advantages, other.advantages, strict=True)),
        losses=_apart(one.losses, other.losses),
        kls=_apart(one.kls, other.kls),
        grad_norms=_apart(one.grad_norms, other.grad_norms),
        # A warm-up's first rate is 0: where neither has moved, they are not apart.
        weights=_norm(apart) / _norm(way) if _norm(way) else float(_norm(apart) > 0),
    )


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    """The largest difference in a step, as a share of the largest value in any."""
    first, second = np.array(one), np.array(other)
    return float(np.abs(first - second).max() / max(np.abs(first).max(), _LEAST))


def _norm(tensors: dict[str, Array]) -> float:
    return float(np.sqrt(sum(float(np.square(part, dtype=np.float64).sum()) for part in tensors.values())))
