"""What do the completions of a batch earn, and on which did a reward fail?"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpoctl.deadline import OutOfTime, set_deadline
from grpoctl.errors import GrpoctlError
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import ReadyReward, Score
from grpoctl.rewards.results import BrokenReward, Fault, checked, fault_of, scores_of
from grpoctl.rewards.witness import Call

_log = logging.getLogger(__name__)
NAN = math.nan

# Batches over which failures are counted: one may be an accident.
_WINDOW = 3

# Sums and squares of weighted scores stay numbers below it, in single precision too.
_LARGEST = 1e18

# So long after its time a reward that keeps to it can still hand over what it has.
_GRACE_S = 0.5

_Result = tuple[list[Score], dict[int, Fault]]


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
        self._window = _WINDOW if recipe.max_steps < 1 else min(_WINDOW, -(-recipe.max_steps // recipe.num_iterations))
        self._recent = {name: deque[tuple[int, int]](maxlen=self._window) for name in self.rewards}

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

    def _all(self, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> dict[str, _Result]:
        """The slow ones work beside the quick ones, and each other."""
        slow = {
            name: _Beside(ready, completions, columns, self._timeout_s)
            for name, ready in self.rewards.items()
            if ready.reward.slow
        }
        quick = {
            name: scores_of(ready, completions, columns) for name, ready in self.rewards.items() if name not in slow
        }
        found = {**quick, **{name: call.result() for name, call in slow.items()}}
        return {name: _summable(found[name], ready.weight) for name, ready in self.rewards.items()}

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
        if len(recent) == self._window and failed > self._share * scored:
            steps = "1 step" if self._window == 1 else f"{self._window} steps"
            problem = f"failed on {failed} of {scored} completions in {steps} ({first.said})"
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
) -> _Result:
    """The scores of one reward, and its faults by row; one is to take too long."""
    return _Beside(ready, completions, columns, timeout_s).result()


def _summable(found: _Result, weight: float) -> _Result:
    """A score that no sum could hold is the fault of its reward."""
    scores, faults = list(found[0]), dict(found[1])
    for row, score in enumerate(scores):
        if score is not None and abs(weight * score) > _LARGEST:
            scores[row], faults[row] = None, Fault(f"returned {score:g}, which is too large to be summed")
    return scores, faults


class _Beside:
    """One reward at work in a thread of its own, which is left behind where it takes too long."""

    def __init__(
        self, ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]], timeout_s: float
    ) -> None:
        self._count, self._timeout_s = len(completions), timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._given: list[Any] = []
        self._found: _Result | GrpoctlError | None = None
        self._call = Call(ready.reward.name, len(completions), timeout_s) if ready.reward.is_own else None
        # A daemon, because a reward that hangs must not keep the program from ending.
        self._thread = threading.Thread(
            target=self._work, args=(ready, completions, columns), name=f"reward {ready.reward.name}", daemon=True
        )
        self._thread.start()

    def _work(self, ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> None:
        set_deadline(self._deadline)
        try:
            self._found = scores_of(ready, completions, columns, self._given)
        except GrpoctlError as error:
            self._found = error
        except BaseException as error:  # it is anyone's code, and what ends a thread says nothing of why
            self._found = [None] * self._count, dict.fromkeys(range(self._count), fault_of(error))

    def result(self) -> _Result:
        """What it found, or as much of it as is there when its time is over."""
        self._thread.join(max(0.0, self._deadline + _GRACE_S - time.monotonic()))
        if self._call is not None:
            self._call.end()
        found = self._found
        if isinstance(found, GrpoctlError):
            raise found
        return found if found is not None else self._so_far()

    def _so_far(self) -> _Result:
        """One that hangs on a completion has done those before it."""
        given = self._given[: self._count]
        problem = f"takes longer than {self._timeout_s:g} s for {self._count} completions (reward_timeout_s)"
        return checked([*given, *[OutOfTime(problem)] * (self._count - len(given))])
