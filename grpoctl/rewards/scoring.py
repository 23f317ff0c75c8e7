"""What do the completions of a batch earn, and on which did a reward fail?"""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpoctl.errors import GrpoctlError, printable
from grpoctl.rewards.registry import ReadyReward, Score

_log = logging.getLogger(__name__)
NAN = math.nan

# Batches in a row on which a reward may fail as a whole.
_PATIENCE = 3

_CONTRACT = "return one for each completion, None where it does not apply"

# A score, and what went wrong in its place.
Checked = tuple[Score, str | None]


class BrokenReward(GrpoctlError):
    """A reward that gives nothing to train on."""

    def __init__(self, name: str, problem: str, fix: str) -> None:
        super().__init__(f"reward {name}: {problem}; {fix}.")
        self.problem, self.fix = problem, fix


@dataclass
class Scores:
    """The scores of a batch. None means that a reward does not apply to a completion."""

    by_reward: dict[str, list[Score]]
    # The weighted sum; NaN where no reward applies or one failed: a broken verifier must not look like a bad answer.
    totals: list[float]
    failures: dict[str, int] = field(default_factory=dict)


class Scorer:
    """The rewards of a recipe, under names that differ."""

    def __init__(self, rewards: Sequence[ReadyReward], *, counts: bool = True) -> None:
        """`counts=False` is for trials: failures are neither told nor held against a reward."""
        self._counts = counts
        self.rewards: dict[str, ReadyReward] = {}
        for ready in rewards:
            name, number = ready.reward.name, 1
            while name in self.rewards:  # the same reward with other arguments
                number += 1
                name = f"{ready.reward.name}_{number}"
            self.rewards[name] = ready
        self._told: set[str] = set()
        self._failed_in_a_row: dict[str, int] = {}

    def score(self, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Scores:
        """Every reward on every completion; BrokenReward where one goes on failing on all of them."""
        by_reward: dict[str, list[Score]] = {}
        failures: dict[str, int] = {}
        failed_rows: set[int] = set()
        for name, ready in self.rewards.items():
            scores, faults = scores_of(ready, completions, columns)
            by_reward[name] = scores
            failed_rows |= faults.keys()
            if self._counts:
                self._count(name, faults, len(completions))
            if faults:
                failures[name] = len(faults)
        totals = [
            NAN if row in failed_rows else self._total({name: scores[row] for name, scores in by_reward.items()})
            for row in range(len(completions))
        ]
        return Scores(by_reward, totals, failures)

    def _total(self, scores: Mapping[str, Score]) -> float:
        parts = [self.rewards[name].weight * score for name, score in scores.items() if score is not None]
        return math.fsum(parts) if parts else NAN

    def _count(self, name: str, faults: Mapping[int, str], count: int) -> None:
        # One problem may be what a reward cannot take; several batches in a row are no accident.
        self._failed_in_a_row[name] = self._failed_in_a_row.get(name, 0) + 1 if len(faults) == count else 0
        if not faults:
            return
        first = next(iter(faults.values()))
        if self._failed_in_a_row[name] == _PATIENCE:
            problem = f"fails on every completion of {_PATIENCE} batches in a row ({first})"
            raise BrokenReward(name, problem, "mend it or take it out")
        if name not in self._told:  # the count of each step stands in its event
            self._told.add(name)
            _log.warning(
                "reward %s: fails on %d of %d completions (%s); they are left out of the step.",
                name, len(faults), count, first,
            )  # fmt: skip


def scores_of(
    ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]
) -> tuple[list[Score], dict[int, str]]:
    """The scores, and what went wrong by row."""
    try:
        given = ready.score(completions, columns)
    except Exception:  # a reward may be anyone's code; one bad completion must not take the others with it
        return _one_by_one(ready, completions, columns)
    try:
        count = len(given)
    except TypeError:
        what = "None" if given is None else f"a {type(given).__name__}"
        raise BrokenReward(ready.reward.name, f"returned {what} in place of a list of scores", _CONTRACT) from None
    if count != len(completions):
        problem = f"returned {count} scores for {len(completions)} completions"
        raise BrokenReward(ready.reward.name, problem, _CONTRACT)
    return _collected(_checked(score) for score in given)


def _one_by_one(
    ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]
) -> tuple[list[Score], dict[int, str]]:
    def alone(row: int) -> Checked:
        try:
            (score,) = ready.score([completions[row]], {name: [values[row]] for name, values in columns.items()})
            return _checked(score)
        except Exception as error:
            return None, printable(f"{type(error).__name__}: {error}".partition("\n")[0][:120])

    return _collected(alone(row) for row in range(len(completions)))


def _collected(checked: Iterable[Checked]) -> tuple[list[Score], dict[int, str]]:
    rows = list(checked)
    return [score for score, _ in rows], {row: fault for row, (_, fault) in enumerate(rows) if fault is not None}


def _checked(score: Any) -> Checked:
    """A score as a number, or what is wrong with it."""
    if score is None:
        return None, None
    try:
        value = NAN if isinstance(score, str | bytes) else float(score)
    except Exception:  # too large, too deep, or an object that refuses in its own way
        value = NAN
    return (value, None) if math.isfinite(value) else (None, f"returned {_shown(score)}, which is no finite number")


def _shown(score: Any) -> str:
    try:
        return printable(repr(score)[:40])
    except Exception:  # nested too deep, say
        return f"a {type(score).__name__}"
