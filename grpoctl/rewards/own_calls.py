"""What does a function of the user's own take, and how is it called: batches in, scores out?

It may be written as TRL has them (`completions, references, **columns`), as Tunix has them (`prompts, completions,
**columns`), or for one completion at a time (`completion, answer`), plain or async. Its parameters without a default
are columns, unless the recipe gives them as arguments; the others are arguments, or columns where the data has them.
"""

import copy
import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpoctl.deadline import OutOfTime, left_s

# The names of the batch form by those of the form for one completion.
_PLURALS = {"prompt": "prompts", "reference": "references"}

LATE = "was not done in time (reward_timeout_s)"


def raised() -> tuple[type[BaseException], ...]:
    """What a function may raise in place of a score. Ctrl-C is none of it."""
    from asyncio import CancelledError  # asyncio takes 0.02 s, which only exceptions and async functions wait for

    return Exception, SystemExit, CancelledError


@dataclass(frozen=True)
class Parameters:
    """What a function takes beside the completions, under the names of columns."""

    columns: tuple[str, ...]
    optional: Mapping[str, inspect.Parameter]
    arguments: Mapping[str, inspect.Parameter]
    every_column: bool


def parameters_of(function: Callable[..., Any], given: Collection[str]) -> Parameters:
    """What the function takes, read off its signature; `given` are the names that the recipe has a value for."""
    needed: list[str] = []
    optional: dict[str, inspect.Parameter] = {}
    arguments: dict[str, inspect.Parameter] = {}
    every = False
    for name, parameter in signature_of(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            every = True
        elif parameter.kind is parameter.VAR_POSITIONAL or name in ("completions", "completion"):
            continue
        elif parameter.kind is parameter.KEYWORD_ONLY and (name in given or parameter.default is not parameter.empty):
            arguments[name] = parameter
        elif parameter.default is parameter.empty:
            needed.append(_PLURALS.get(name, name) if _is_single(function) else name)
        else:
            optional[name] = parameter
    return Parameters(tuple(needed), optional, arguments, every)


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """With what its annotations mean, where they stand there as texts and can be read."""
    try:
        return inspect.signature(function, eval_str=True)
    except Exception:  # they may say anything
        return inspect.signature(function)


def _is_single(function: Callable[..., Any]) -> bool:
    """Whether it takes one completion at a time."""
    return "completions" not in inspect.signature(function).parameters


def scoring_with(function: Callable[..., Any], arguments: Collection[str]) -> Callable[..., Any]:
    """The function in the form of every reward. A score may be the exception in its place.

    `arguments` are the names that the recipe gives one value for all completions.
    """
    scoring = _one_at_a_time(function, arguments) if _is_single(function) else _all_at_once(function)

    @functools.wraps(function)
    def score(**given: Any) -> Any:
        # Copies, because a function that changes what it is given must not change it for others, nor for later steps.
        return scoring(**copy.deepcopy(given))

    return score


def _all_at_once(function: Callable[..., Any]) -> Callable[..., Any]:
    def score(**batches: Any) -> Any:
        found = function(**batches)
        if not inspect.isawaitable(found):
            return found
        from grpoctl.rewards.own_async import results_of

        (result,) = results_of([found])
        if isinstance(result, BaseException):
            raise result
        return result

    return score


def _one_at_a_time(function: Callable[..., Any], arguments: Collection[str]) -> Callable[..., Any]:
    takes = inspect.signature(function).parameters
    singles = {plural: single for single, plural in _PLURALS.items() if single in takes}

    def score(completions: Sequence[str], **given: Any) -> Iterator[Any]:
        settings = {name: value for name, value in given.items() if name in arguments}
        batches = {singles.get(name, name): values for name, values in given.items() if name not in settings}
        return _results(function, completions, settings, batches)

    return score


def _results(
    function: Callable[..., Any], completions: Sequence[str], settings: Mapping[str, Any], batches: Mapping[str, Any]
) -> Iterator[Any]:
    """Each result as it is there, or the exception in its place; async ones wait side by side."""
    waiting: list[Any] = []
    for row, text in enumerate(completions):
        columns = {name: values[row] for name, values in batches.items()}
        result = _result(function, {**settings, **columns, "completion": text})
        if waiting or inspect.isawaitable(result):
            waiting.append(result)
        else:
            yield result
    if waiting:
        from grpoctl.rewards.own_async import results_of

        yield from results_of(waiting)


def _result(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """One bad completion must not take the others with it: the exception stands in its place."""
    if left_s() <= 0:
        return OutOfTime(LATE)
    try:
        return function(**arguments)
    except raised() as error:
        return error
