"""What came of training with one group size?"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any


@dataclass(frozen=True)
class Trained:
    """One training. An error is how far a group's mean lies from the true chance of a right answer, as a root of the
    mean square; the expected one is what theory gives for the same pictures and policy: sqrt(mean(p (1 - p)) / G)."""

    seed: int
    train_accuracy: float  # of the sampled answers, over the last tenth of the updates
    test_accuracy: float  # of the likeliest answers
    zero_std_share: float
    advantage_std: float
    first_error: float  # at the first update, where all sizes have the same policy
    first_expected: float
    error: float  # over the whole training
    expected: float
    seconds: float


@dataclass(frozen=True)
class SizeResult:
    """All trainings with one size, and what each cost."""

    num_generations: int
    updates: int
    samples: int
    trained: Sequence[Trained]

    def mean(self, of: Callable[[Trained], float]) -> float:
        return fmean(map(of, self.trained))

    def as_json(self) -> dict[str, Any]:
        means = {name: self.mean(lambda each, name=name: getattr(each, name)) for name in _MEASURED}  # type: ignore[misc]
        return {
            "num_generations": self.num_generations,
            "updates": self.updates,
            "samples": self.samples,
            **means,
            "lowest_test_accuracy": min(each.test_accuracy for each in self.trained),
            "runs": [asdict(each) for each in self.trained],
        }


_MEASURED = [name for name in Trained.__dataclass_fields__ if name != "seed"]

# The module's table of recommended G, word for word but for the language.
RECOMMENDED = (
    ("MNIST (easy)", "32 - 128", "rewards are plain: 0 or 1"),
    ("LLM, maths", "64 - 128", "rewards are clear"),
    ("LLM, open answers", "128 - 256", "a steady baseline takes more samples"),
    ("short of memory", "as small as may be", "fewer samples to draw"),
)
RECOMMENDED_FOR_MNIST = (32, 128)
