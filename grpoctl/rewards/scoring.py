"""What do the completions of a batch earn, and on which did a reward fail?"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpoctl.errors import GrpoctlError
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import ReadyReward, Score
from grpoctl.rewards.results import BrokenReward, Fault, scores_of

_log = logging.getLogger(__name__)
NAN = math.nan

# Batches over which failures are counted: one may be an accident.
_WINDOW = 3


@dataclass
class Scores:
    """The scores of a batch. None means that a reward does not apply to a completion."""

    by_reward: dict[str, list[Score]]
    # The weighted sum; NaN where no reward applies or one failed: a broken verifier must not look like a bad answer.
    totals: list[float]
    failures: dict[str, int] = field(default_factory=dict)
    first_faults: dict[str, Fault] = field(default_factory=dict)


class Scorer:
    """The rewards of a recipe, under names that differ."""

    def __init__(self, rewards: Sequence[ReadyReward], recipe: Recipe | None = None, *, counts: bool = True) -> None:
        """`counts=False` is for trials: failures are neither told nor held against a reward."""
        recipe = recipe or Recipe()
        self._counts, self._timeout_s, self._share = counts, recipe.reward_timeout_s, recipe.max_reward_failures
        self.rewards = named(rewards)
        self._told: set[str] = set()
        self._recent = {name: deque[tuple[int, int]](maxlen=_WINDOW) for name in self.rewards}

    def for_trial(self) -> "Scorer":
        """The same rewards, whose failures do not count."""
        trial = Scorer([], counts=False)
        trial.rewards, trial._timeout_s = self.rewards, self._timeout_s
        return trial

    def score(self, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Scores:
        """Every reward on every completion; BrokenReward where one fails on too many of them."""
        by_reward: dict[str, list[Score]] = {}
        failures: dict[str, int] = {}
        first_faults: dict[str, Fault] = {}
        failed_rows: set[int] = set()
        for name, (scores, faults) in self._all(completions, columns).items():
            by_reward[name] = scores
            failed_rows |= faults.keys()
            if self._counts:
                self._count(name, faults, len(completions))
            if faults:
                failures[name] = len(faults)
                first_faults[name] = next(iter(faults.values()))
        totals = [
            NAN if row in failed_rows else self._total({name: scores[row] for name, scores in by_reward.items()})
            for row in range(len(completions))
        ]
        return Scores(by_reward, totals, failures, first_faults)

    def _all(
        self, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]
    ) -> dict[str, tuple[list[Score], dict[int, Fault]]]:
        """The slow ones work beside the quick ones, and each other."""
        slow = {name: _Beside(ready, completions, columns) for name, ready in self.rewards.items() if ready.reward.slow}
        quick = {
            name: scores_of(ready, completions, columns) for name, ready in self.rewards.items() if name not in slow
        }
        deadline = time.monotonic() + self._timeout_s
        found = {**quick, **{name: call.result(deadline, self._timeout_s) for name, call in slow.items()}}
        return {name: found[name] for name in self.rewards}

    def _total(self, scores: Mapping[str, Score]) -> float:
        parts = [self.rewards[name].weight * score for name, score in scores.items() if score is not None]
        return math.fsum(parts) if parts else NAN

    def _count(self, name: str, faults: Mapping[int, Fault], count: int) -> None:
        recent = self._recent[name]
        recent.append((len(faults), count))
        if not faults:
            return
        first = next(iter(faults.values()))
        if name not in self._told:  # the count of each step stands in its event
            self._told.add(name)
            _log.warning(
                "reward %s: fails on %d of %d completions (%s); they are left out of the step.",
                name, len(faults), count, first.said,
            )  # fmt: skip
            if first.trace is not None:
                _log.warning("reward %s: the first failure:\n%s", name, first.trace, extra={"log_only": True})
        failed, scored = sum(part[0] for part in recent), sum(part[1] for part in recent)
        if len(recent) == _WINDOW and failed > self._share * scored:
            problem = f"failed on {failed} of {scored} completions in {_WINDOW} steps ({first.said})"
            raise BrokenReward(name, problem, "mend it or take it out, or raise max_reward_failures")


def named(rewards: Sequence[ReadyReward]) -> dict[str, ReadyReward]:
    """The rewards by name; the same one with other arguments gets a number."""
    found: dict[str, ReadyReward] = {}
    for ready in rewards:
        name, number = ready.reward.name, 1
        while name in found:
            number += 1
            name = f"{ready.reward.name}_{number}"
        found[name] = ready
    return found


def scores_within(
    ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]], timeout_s: float
) -> tuple[list[Score], dict[int, Fault]]:
    """The scores of one reward, and its faults by row; where it takes too long, that is the fault of all."""
    return _Beside(ready, completions, columns).result(time.monotonic() + timeout_s, timeout_s)


class _Beside:
    """One reward at work in a thread of its own, which is left behind where it takes too long."""

    def __init__(self, ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> None:
        self._count = len(completions)
        self._found: tuple[list[Score], dict[int, Fault]] | GrpoctlError | None = None
        # A daemon, because a reward that hangs must not keep the program from ending.
        self._thread = threading.Thread(
            target=self._work, args=(ready, completions, columns), name=f"reward {ready.reward.name}", daemon=True
        )
        self._thread.start()

    def _work(self, ready: ReadyReward, *batch: Any) -> None:
        try:
            self._found = scores_of(ready, *batch)
        except GrpoctlError as error:
            self._found = error

    def result(self, deadline: float, timeout_s: float) -> tuple[list[Score], dict[int, Fault]]:
        self._thread.join(max(0.0, deadline - time.monotonic()))
        found = self._found
        if found is None:
            late = Fault(f"takes longer than {timeout_s:g} s for {self._count} completions (reward_timeout_s)")
            return [None] * self._count, dict.fromkeys(range(self._count), late)
        if isinstance(found, GrpoctlError):
            raise found
        return found
