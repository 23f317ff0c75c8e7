"""How many problems does a model solve? A sampler, problems and rewards -> every sample and a report."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any, Protocol

from grpoctl.data.problems import Problem
from grpoctl.recipe.keys.evaluation import EvalSampling
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.scoring import Scorer
from grpoctl.samples import Completion, Sample, judge_of, scored_samples
from grpoctl.statistics import majority_right, mean_interval, pass_at_k

MODES = ("greedy", "standard", "liberal")

Interval = tuple[float, float]


class Sampler(Protocol):
    """What an engine gives so that its model can be asked."""

    def sample(self, prompts: Sequence[str], sampling: EvalSampling, seed: int) -> list[Completion]:
        """One completion for each prompt; the same seed gives the same ones."""
        ...

    def rows_at_once(self, prompts: Sequence[str]) -> int:
        """How many of such prompts it takes at a time where the recipe does not say."""
        ...


@dataclass(frozen=True)
class HowToAsk:
    """One evaluation: the mode, how often each problem is asked, the seed, and how many answers are drawn at a time."""

    mode: str = "greedy"
    k: int = 1
    seed: int = 0
    rows_at_once: int = 1


@dataclass(frozen=True)
class EvalReport:
    """What came of it. Shares and means are over problems, each problem's over its k samples; intervals are of 95%."""

    mode: str
    n: int
    k: int
    seed: int
    judged_by: str
    accuracy: float
    accuracy_ci: Interval
    partial_accuracy: float  # within 10% of the gold answer
    partial_accuracy_ci: Interval
    lenient_accuracy: float  # right wherever it stands, so that learning the form is not taken for reasoning
    lenient_accuracy_ci: Interval
    format_accuracy: float
    format_accuracy_ci: Interval
    rewards: dict[str, float | None]
    rewards_ci: dict[str, Interval | None]
    mean_length: float
    truncated_share: float
    seconds: float
    pass_at_k: dict[str, float] = field(default_factory=dict)
    maj_at_k: float | None = None
    never_solved_share: float | None = None

    def as_json(self) -> dict[str, Any]:
        whole = asdict(self)
        if self.k == 1:
            for name in ("pass_at_k", "maj_at_k", "never_solved_share"):
                del whole[name]
        return whole


def how_to_ask(
    recipe: Recipe, sampler: Sampler, problems: Sequence[Problem], mode: str, k: int = 1, seed: int | None = None
) -> HowToAsk:
    given, sampling = recipe.per_device_eval_batch_size, getattr(recipe.eval_modes, mode)
    rows = given if given is not None else sampler.rows_at_once([problem.prompt for problem in problems])
    # The likeliest answer is the same however often it is asked for.
    k = 1 if sampling.temperature == 0 or sampling.top_k == 1 else k
    return HowToAsk(mode, k, recipe.seed if seed is None else seed, max(1, rows))


def draw_samples(
    sampler: Sampler,
    problems: Sequence[Problem],
    recipe: Recipe,
    scorer: Scorer,
    how: HowToAsk,
    done: int = 0,
    interrupted: Callable[[], bool] = lambda: False,
) -> Iterator[list[Sample]]:
    """The samples of one batch after the other, without the first `done` batches; fewer where it was interrupted."""
    sampling: EvalSampling = getattr(recipe.eval_modes, how.mode)
    for number, places in enumerate(batches(problems, how)):
        if number < done:
            continue
        if interrupted():
            return
        asked = [problems[problem] for problem, _ in places]
        # Each batch has random numbers of its own, so that an evaluation that goes on draws what it would have drawn.
        completions = sampler.sample(
            [problem.prompt for problem in asked], sampling, how.seed + number * how.rows_at_once
        )
        yield scored_samples(places, asked, completions, recipe, scorer)


def batches(problems: Sequence[Problem], how: HowToAsk) -> list[list[tuple[int, int]]]:
    """Number of problem and sample of each row; prompts of like length share a batch, so little of it is padding."""
    order = sorted(range(len(problems)), key=lambda place: len(problems[place].prompt))
    rows = [(problem, sample) for problem in order for sample in range(how.k)]
    return [rows[start : start + how.rows_at_once] for start in range(0, len(rows), how.rows_at_once)]


def evaluate(
    sampler: Sampler,
    problems: Sequence[Problem],
    recipe: Recipe,
    scorer: Scorer,
    mode: str = "greedy",
    interrupted: Callable[[], bool] = lambda: False,
) -> tuple[EvalReport, list[Sample]] | None:
    """One completion for each problem; None where it was interrupted."""
    began = time.monotonic()
    how = how_to_ask(recipe, sampler, problems, mode)
    samples = [
        sample
        for batch in draw_samples(sampler, problems, recipe, scorer, how, interrupted=interrupted)
        for sample in batch
    ]
    if len(samples) < len(problems):
        return None
    return report_of(samples, recipe, how, time.monotonic() - began), samples


def report_of(samples: Sequence[Sample], recipe: Recipe, how: HowToAsk, seconds: float) -> EvalReport:
    """The numbers about all samples of an evaluation."""
    by_problem: dict[int, list[Sample]] = {}
    for sample in samples:
        by_problem.setdefault(sample.problem, []).append(sample)
    groups = list(by_problem.values())

    def share(of: Callable[[Sample], bool]) -> tuple[float, Interval]:
        values = [fmean(map(of, group)) for group in groups]
        return fmean(values), mean_interval(values, share=True)

    right, right_ci = share(lambda sample: sample.right)
    near, near_ci = share(lambda sample: sample.near)
    anywhere, anywhere_ci = share(lambda sample: sample.right_anywhere)
    formed, formed_ci = share(lambda sample: sample.in_form)
    rewards = {name: _mean_reward(groups, name) for name in samples[0].rewards}
    counts = [sum(sample.right for sample in group) for group in groups]
    several = how.k > 1
    return EvalReport(
        how.mode,
        len(groups),
        how.k,
        how.seed,
        judge_of(recipe),
        accuracy=right,
        accuracy_ci=right_ci,
        partial_accuracy=near,
        partial_accuracy_ci=near_ci,
        lenient_accuracy=anywhere,
        lenient_accuracy_ci=anywhere_ci,
        format_accuracy=formed,
        format_accuracy_ci=formed_ci,
        rewards={name: mean for name, (mean, _) in rewards.items()},
        rewards_ci={name: interval for name, (_, interval) in rewards.items()},
        mean_length=fmean(sample.tokens for sample in samples),
        truncated_share=fmean(sample.finish_reason == "length" for sample in samples),
        seconds=round(seconds, 2),
        pass_at_k=_pass_at(counts, how.k) if several else {},
        maj_at_k=fmean(majority_right([_vote(sample) for sample in group]) for group in groups) if several else None,
        never_solved_share=fmean(count == 0 for count in counts) if several else None,
    )


def _mean_reward(groups: Iterable[Sequence[Sample]], name: str) -> tuple[float | None, Interval | None]:
    """Over the problems to which the reward applies."""
    scores = [[sample.rewards[name] for sample in group] for group in groups]
    values = [fmean(score for score in group if score is not None) for group in scores if group != [None] * len(group)]
    if not values:
        return None, None
    return fmean(values), mean_interval(values) if len(values) > 1 else None


def _pass_at(counts: Sequence[int], k: int) -> dict[str, float]:
    sizes = sorted({1, *(2**power for power in range(1, 20) if 2**power < k), k})
    return {str(size): fmean(pass_at_k(k, count, size) for count in counts) for size in sizes}


def _vote(sample: Sample) -> tuple[str | None, bool]:
    return (sample.extracted.strip() if sample.extracted is not None else None), sample.right
