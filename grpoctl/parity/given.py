"""What is every engine given, that its results may be compared, and what does it hand back?"""

import importlib
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from grpoctl.data.problems import Problem
from grpoctl.engines.base import ENGINES, TrainJob
from grpoctl.recipe.schema import Recipe

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """One optimiser step's completions, and the logits of a model at each of their tokens."""

    name: str
    recipe: Recipe
    logits: Array  # rows, tokens, vocabulary; not yet divided by the temperature
    completion_ids: Array
    mask: Array  # of the tokens in the loss
    advantages: Array
    old: Array | None  # log-probabilities under the policy that drew the tokens; None: the policy of now
    reference: Array | None
    micro_batches: int = 1


@dataclass(frozen=True)
class Step:
    """The completions of a step: `num_generations` of each problem, in order, and what each earned."""

    problems: list[Problem]
    completion_ids: list[list[int]]
    rewards: list[float]


@dataclass(frozen=True)
class Recorded:
    """What a replay goes over, and the weights that it starts with: adapters by PEFT's names, else all of them."""

    steps: list[Step]
    start: dict[str, Array]


@dataclass(frozen=True)
class Replayed:
    """What became of a replay, step by step, and the weights at its end."""

    advantages: list[Array]
    losses: list[float]
    kls: list[float]
    grad_norms: list[float]
    weights: dict[str, Array]


class EngineParity(Protocol):
    """What an engine's parity module does, by the code that its training runs."""

    def loss_and_gradient(self, case: Case) -> tuple[float, Array]:
        """The loss of the step, and its gradient by the logits."""
        ...

    def replay(self, job: TrainJob, recorded: Recorded) -> Replayed: ...


def parity_of(engine: str) -> EngineParity:
    place = ENGINES[engine].parity
    assert place is not None, f"{engine} cannot be compared"
    return cast(EngineParity, importlib.import_module(place))
