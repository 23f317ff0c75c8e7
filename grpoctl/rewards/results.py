"""What did a reward return for a batch, completion by completion, and on which did it fail?"""

import math
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from grpoctl.errors import GrpoctlError, printable
from grpoctl.rewards.registry import ReadyReward, Score

_CONTRACT = "return one for each completion, None where it does not apply"


class Fault(NamedTuple):
    """What went wrong in place of a score, in one line, and where in the code."""

    said: str
    trace: str | None = None


class BrokenReward(GrpoctlError):
    """A reward that gives nothing to train on."""

    def __init__(self, name: str, problem: str, fix: str) -> None:
        super().__init__(f"reward {name}: {problem}; {fix}.")
        self.problem, self.fix = problem, fix


class NoScores(RuntimeError):
    """Nothing could be scored, and asking for each completion alone would not help: a server that is down."""


def scores_of(
    ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]
) -> tuple[list[Score], dict[int, Fault]]:
    """The scores, and what went wrong by row."""
    try:
        given = ready.score(completions, columns)
    except GrpoctlError:  # it says itself that it cannot work at all
        raise
    except NoScores as error:
        return [None] * len(completions), dict.fromkeys(range(len(completions)), _fault(error))
    except Exception:  # a reward may be anyone's code
        given = _each_alone(ready, completions, columns)
    try:
        count = len(given)
    except TypeError:
        what = "None" if given is None else f"a {type(given).__name__}"
        raise BrokenReward(ready.reward.name, f"returned {what} in place of a list of scores", _CONTRACT) from None
    if count != len(completions):
        problem = f"returned {count} scores for {len(completions)} completions"
        raise BrokenReward(ready.reward.name, problem, _CONTRACT)
    return _collected(_checked(score) for score in given)


def _each_alone(ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> list[Any]:
    """One bad completion must not take the others with it: the exception stands in its place alone."""
    found: list[Any] = []
    for row, completion in enumerate(completions):
        try:
            (score,) = ready.score([completion], {name: [values[row]] for name, values in columns.items()})
            found.append(score)
        except Exception as error:
            error.__context__ = None  # the failure of the whole batch, which says the same
            found.append(error)
    return found


def _collected(checked: Iterable[tuple[Score, Fault | None]]) -> tuple[list[Score], dict[int, Fault]]:
    rows = list(checked)
    return [score for score, _ in rows], {row: fault for row, (_, fault) in enumerate(rows) if fault is not None}


def _checked(score: Any) -> tuple[Score, Fault | None]:
    """A score as a number, or what is wrong with it."""
    if score is None:
        return None, None
    if isinstance(score, Exception):
        return None, _fault(score)
    try:
        value = math.nan if isinstance(score, str | bytes) else float(score)
    except Exception:  # too large, too deep, or an object that refuses in its own way
        value = math.nan
    if math.isfinite(value):
        return value, None
    return None, Fault(f"returned {_shown(score)}, which is no finite number")


def _fault(error: Exception) -> Fault:
    said = printable(f"{type(error).__name__}: {error}".partition("\n")[0][:120])
    return Fault(said, "".join(traceback.format_exception(error)).rstrip()[-10_000:])


def _shown(score: Any) -> str:
    try:
        return printable(repr(score)[:40])
    except Exception:  # nested too deep, say
        return f"a {type(score).__name__}"
