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

# A score, and what went wrong in its place.
Checked = tuple[Score, str | None]


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
    try:
        count = len(given)
    except TypeError:
        what = "None" if given is None else f"a {type(given).__name__}"
        raise BrokenReward(
            f"reward {ready.reward.name}: returned {what} in place of a list of scores; "
            "return one for each completion, None where it does not apply."
        ) from None
    if count != len(completions):
        raise BrokenReward(
            f"reward {ready.reward.name}: returned {count} scores for {len(completions)} completions; "
            "return one for each, None where it does not apply."
        )
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
