"""What is true of a sampled answer: is it right, nearly, in form, and what do the rewards say of it?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from grpoctl.data.problems import Problem, columns_of
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.anywhere import answer_anywhere
from grpoctl.rewards.numbers import apart
from grpoctl.rewards.scoring import Scorer
from grpoctl.rewards.tags import all_last_tagged
from grpoctl.rewards.verifiable import accuracy, format, is_right

# Rewards of a recipe that say whether an answer is right, where a text or a number would not tell.
_JUDGES = ("math", "code")

# So near counts as partly right.
_NEAR = 0.1


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer: its text, its tokens, and whether it was cut off at the limit."""

    text: str
    tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer to one problem, as it is kept."""

    problem: int  # its place among those evaluated on
    sample: int  # 0 … k-1
    prompt: str
    completion: str
    answer: str  # the gold one
    extracted: str | None  # what stands in the answer tag
    right: bool
    near: bool  # right, or within 10%
    right_anywhere: bool  # right, or right wherever the answer stands
    in_form: bool
    rewards: dict[str, float | None]
    tokens: int
    finish_reason: str  # stop, or length

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def judge_of(recipe: Recipe) -> str:
    """The reward that decides what is right: `math` or `code` where the recipe has it, else `accuracy`."""
    return next((use.use for use in recipe.reward_funcs if use.use in _JUDGES), "accuracy")


def scored_samples(
    places: Sequence[tuple[int, int]],
    problems: Sequence[Problem],
    completions: Sequence[Completion],
    recipe: Recipe,
    scorer: Scorer,
) -> list[Sample]:
    """The samples of a batch. `places` are the numbers of problem and sample of each."""
    texts = [completion.text for completion in completions]
    gold = [problem.row.answer for problem in problems]
    prompts = [problem.prompt for problem in problems]
    columns = columns_of([problem.row for problem in problems], prompts, [each.tokens for each in completions])
    rewards = scorer.score(texts, columns).by_reward
    if recipe.reads_pictures:  # a digit stands in no tags
        said: list[str | None] = [*texts]
        right: Sequence[float | None] = [float(text == answer) for text, answer in zip(texts, gold, strict=True)]
        formed: Sequence[float | None] = [1.0] * len(texts)
    else:
        right = rewards.get(judge_of(recipe)) or accuracy(texts, gold, answer_tag=recipe.answer_tag)
        formed = format(texts, reasoning_tag=recipe.reasoning_tag, answer_tag=recipe.answer_tag)
        said = all_last_tagged(texts, recipe.answer_tag)
    samples = []
    for row, (problem, sample) in enumerate(places):
        is_solved = right[row] == 1.0
        elsewhere = answer_anywhere(texts[row], recipe.answer_tag)
        distance = None if said[row] is None else apart(str(said[row]), gold[row])
        samples.append(
            Sample(
                problem,
                sample,
                prompts[row],
                texts[row],
                gold[row],
                said[row],
                right=is_solved,
                near=is_solved or (distance is not None and distance <= _NEAR),
                right_anywhere=is_solved or (elsewhere is not None and is_right(elsewhere, gold[row])),
                in_form=formed[row] == 1.0,
                rewards={name: scores[row] for name, scores in rewards.items()},
                tokens=completions[row].tokens,
                finish_reason="length" if completions[row].truncated else "stop",
            )
        )
    return samples
