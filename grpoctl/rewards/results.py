"""What did a reward return for a batch, completion by completion, and on which did it fail?"""

import math
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Any, NamedTuple

from grpoctl.deadline import OutOfTime, left_s
from grpoctl.errors import GrpoctlError, printable
from grpoctl.rewards.own_calls import LATE, raised
from grpoctl.rewards.registry import ReadyReward, Score

_CONTRACT = "return one for each completion, None where it does not apply"

# So many more than wanted are read of what may have no end.
_TOO_MANY = 1000


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
    ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]], given: list[Any] | None = None
) -> tuple[list[Score], dict[int, Fault]]:
    """The scores, and what went wrong by row. `given` is where what it gave stands, row by row as it is there."""
    given, count = [] if given is None else given, len(completions)
    try:
        _read_into(given, ready, completions, columns)
    except GrpoctlError:  # it says itself that it cannot work at all
        raise
    except NoScores as error:
        return [None] * count, dict.fromkeys(range(count), fault_of(error))
    except raised():  # a reward may be anyone's code
        given.clear()
        _each_alone(given, ready, completions, columns)
    if len(given) != count:
        problem = f"returned {_more(given, count)} scores for {count} completions"
        raise BrokenReward(ready.reward.name, problem, _CONTRACT)
    return checked(given)


def _read_into(
    given: list[Any], ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]
) -> None:
    """A list, a generator, an array: whatever has its scores in order."""
    scores = ready.score(completions, columns)
    each = _in_order(scores)
    if each is None:
        what = "None" if scores is None else f"a {type(scores).__name__}"
        raise BrokenReward(ready.reward.name, f"returned {what} in place of a list of scores", _CONTRACT)
    for score in islice(each, len(completions) + _TOO_MANY):
        given.append(score)


def _in_order(scores: Any) -> Iterator[Any] | None:
    """The scores one by one, or None where it has none or they have no order."""
    if isinstance(scores, str | bytes | Mapping | Set):
        return None
    try:
        each: Iterator[Any] = iter(scores)
    except TypeError:
        return None
    return each


def _more(given: Sequence[Any], count: int) -> str:
    return f"more than {len(given) - 1}" if len(given) == count + _TOO_MANY else str(len(given))


def _each_alone(
    given: list[Any], ready: ReadyReward, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]
) -> None:
    """One bad completion must not take the others with it: the exception stands in its place alone."""
    for row, completion in enumerate(completions):
        if left_s() <= 0:
            given.append(OutOfTime(LATE))
            continue
        only: list[Any] = []
        try:
            _read_into(only, ready, [completion], {name: [values[row]] for name, values in columns.items()})
            (score,) = only
            given.append(score)
        except raised() as error:
            error.__context__ = None  # the failure of the whole batch, which says the same
            given.append(error)


def checked(given: Iterable[Any]) -> tuple[list[Score], dict[int, Fault]]:
    """What a reward gave as scores, and what is wrong with it by row."""
    rows = [_checked(score) for score in given]
    return [score for score, _ in rows], {row: fault for row, (_, fault) in enumerate(rows) if fault is not None}


def fault_of(error: BaseException) -> Fault:
    """What a person is told of it, in one line."""
    if isinstance(error, OutOfTime):
        return Fault(str(error))
    said = printable(f"{type(error).__name__}: {error}".partition("\n")[0][:120])
    return Fault(said, "".join(traceback.format_exception(error)).rstrip()[-10_000:])


def _checked(score: Any) -> tuple[Score, Fault | None]:
    """A score as a number, or what is wrong with it."""
    if score is None:
        return None, None
    if isinstance(score, BaseException):
        return None, fault_of(score)
    try:
        item = getattr(score, "item", None)  # of an array or a tensor, which may hold one number in a row of its own
        value = math.nan if isinstance(score, str | bytes) else float(item() if callable(item) else score)
    except Exception:  # too large, too deep, or an object that refuses in its own way
        value = math.nan
    if math.isfinite(value):
        return value + 0.0, None  # -0.0 looks like a penalty
    return None, Fault(f"returned {_shown(score)}, which is no finite number")


def _shown(score: Any) -> str:
    try:
        return printable(repr(score)[:40])
    except Exception:  # nested too deep, say
        return f"a {type(score).__name__}"
