"""How many held-out problems does a model solve? A sampler, problems and the two plain rewards -> a report."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from grpoctl.data.problems import Problem
from grpoctl.recipe.keys.evaluation import EvalSampling
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.verifiable import accuracy, format


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer: its text, its tokens, and whether it was cut off at the limit."""

    text: str
    tokens: int
    truncated: bool


class Sampler(Protocol):
    """What an engine gives so that its model can be asked: one completion for each prompt."""

    def sample(self, prompts: Sequence[str], sampling: EvalSampling, seed: int) -> list[Completion]: ...


@dataclass(frozen=True)
class EvalReport:
    """What came of it. The mode says how the answers were drawn."""

    mode: str
    n: int
    accuracy: float
    format_accuracy: float
    mean_length: float
    truncated_share: float
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(
    sampler: Sampler,
    problems: Sequence[Problem],
    recipe: Recipe,
    mode: str = "greedy",
    interrupted: Callable[[], bool] = lambda: False,
) -> EvalReport | None:
    """One completion for each problem, scored for its answer and its form; None where it was interrupted.

    The scores are those of the rewards `accuracy` and `format`, whatever the recipe itself rewards.
    """
    began = time.monotonic()
    sampling: EvalSampling = getattr(recipe.eval_modes, mode)
    # Prompts of like length share a batch, so that little of it is padding.
    ordered = sorted(problems, key=lambda problem: len(problem.prompt))
    size = recipe.per_device_eval_batch_size
    completions: list[Completion] = []
    for start in range(0, len(ordered), size):
        if interrupted():
            return None
        prompts = [problem.prompt for problem in ordered[start : start + size]]
        completions += sampler.sample(prompts, sampling, recipe.seed + start)
    texts = [completion.text for completion in completions]
    gold = [problem.row.answer for problem in ordered]
    right = accuracy(texts, gold, answer_tag=recipe.answer_tag)
    formed = format(texts, reasoning_tag=recipe.reasoning_tag, answer_tag=recipe.answer_tag)
    n = len(texts)
    return EvalReport(
        mode,
        n,
        accuracy=sum(score or 0.0 for score in right) / n,
        format_accuracy=sum(score or 0.0 for score in formed) / n,
        mean_length=sum(completion.tokens for completion in completions) / n,
        truncated_share=sum(completion.truncated for completion in completions) / n,
        seconds=round(time.monotonic() - began, 2),
    )
