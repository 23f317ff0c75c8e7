"""What do the completions of a batch earn, and on which did a reward fail?"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpoctl.errors import GrpoctlError
from grpoctl.rewards.registry import ReadyReward, Score

_log = logging.getLogger(__name__)
NAN = math.nan


class BrokenReward(GrpoctlError):
    """A reward that gives nothing to train on."""


@dataclass
class Scores:
    """The scores of a batch. None means that a reward does not apply to a completion."""

    by_reward: dict[str, list[Score]]
    # The weighted sum; NaN where no reward applies or one failed: a broken verifier must not look like a bad answer.
    totals: list[float]
    failures: dict[str, int] = field(default_factory=dict)


class Scorer:
    """The rewards of a recipe, under names that differ."""

    def __init__(self, rewards: Sequence[ReadyReward]) -> None:
        self.rewards: dict[str, ReadyReward] = {}
        for ready in rewards:
            name, number = ready.reward.name, 1
            while name in self.rewards:  # the same reward with other arguments
                number += 1
                name = f"{ready.reward.name}_{number}"
            self.rewards[name] = ready
        self._told: set[str] = set()

    def score(self, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Scores:
        """Every reward on every completion; BrokenReward where one fails on all of them."""
        by_reward: dict[str, list[Score]] = {}
        failures: dict[str, int] = {}
        failed_rows: set[int] = set()
        for name, ready in self.rewards.items():
            scores, faults = _scores(ready, completions, columns)
            by_reward[name] = scores
            failed_rows |= faults.keys()
            if faults:
                failures[name] = len(faults)
                self._tell(name, faults, len(completions))
        totals = [
            NAN if row in failed_rows else self._total({name: scores[row] for name, scores in by_reward.items()})
            for row in range(len(completions))
        ]
        return Scores(by_reward, totals, failures)

    def _total(self, scores: Mapping[str, Score]) -> float:
        parts = [self.rewards[name].weight * score for name, score in scores.items() if score is not None]
        return math.fsum(parts) if parts else NAN

    def _tell(self, name: str, faults: Mapping[int, str], count: int) -> None:
        first = next(iter(faults.values()))
        if len(faults) == count:
            raise BrokenReward(f"reward {name}: fails on all {count} completions ({first}); mend it or take it out.")
        if name not in self._told:  # the count of each step stands in its event
            self._told.add(name)
            _log.warning(
                "reward %s: fails on %d of %d completions (%s); they are left out of the step.",
                name, len(faults), count, first,
            )  # fmt: skip


def _scores(
    ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]
) -> tuple[list[Score], dict[int, str]]:
    """The scores, and what went wrong by row."""
    try:
        given = ready.score(completions, columns)
    except Exception:  # a reward may be anyone's code; one bad completion must not take the others with it
        return _one_by_one(ready, completions, columns)
    if len(given) != len(completions):
        raise BrokenReward(
            f"reward {ready.reward.name}: returned {len(given)} scores for {len(completions)} completions; "
            "return one for each, None where it does not apply."
        )
    return _checked(given)


def _one_by_one(
    ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]
) -> tuple[list[Score], dict[int, str]]:
    scores: list[Score] = []
    faults: dict[int, str] = {}
    for row, completion in enumerate(completions):
        alone = {name: [values[row]] for name, values in columns.items()}
        try:
            given, fault = _checked(ready.score([completion], alone))
            scores.append(given[0] if len(given) == 1 else None)
            if fault:
                faults[row] = fault[0]
        except Exception as error:
            scores.append(None)
            faults[row] = f"{type(error).__name__}: {error}".partition("\n")[0][:120]
    return scores, faults


def _checked(given: Sequence[Any]) -> tuple[list[Score], dict[int, str]]:
    scores: list[Score] = []
    faults: dict[int, str] = {}
    for row, score in enumerate(given):
        try:
            value = None if score is None else float(score) if not isinstance(score, str) else NAN
        except (TypeError, ValueError):
            value = NAN
        if value is not None and not math.isfinite(value):
            faults[row] = f"returned {score!r:.40}, which is no finite number"
            value = None
        scores.append(value)
    return scores, faults
