"""Which rewards are there, what do they take, and how is a recipe's list of them made ready to score?

A reward is one function in a module of this package:

    @reward(maximum=1.0)
    def name(completions: Sequence[str], answer: Sequence[str], *, option: float = 0.5) -> list[Score]:
        \"\"\"What it gives, in one line: its documentation.\"\"\"

Parameters before the star are batches: the completions, and columns by name. Those are the data set's, and beside them
`answer` (the gold answer, also as `references`), `question`, `prompts` (as the model saw them) and `completion_tokens`
(how many tokens each completion has). Parameters after the star are arguments, which a recipe may set; a few are filled
in from the recipe's own keys. None as a score means that the reward does not apply.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from grpoctl import rewards
from grpoctl.errors import nearest, shown
from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.annotations import fits, in_words
from grpoctl.rewards.own import is_own, load_function
from grpoctl.rewards.own_calls import parameters_of, scoring_with

Score = float | None
RewardFunction = Callable[..., list[Score]]
Function = TypeVar("Function", bound=RewardFunction)
# Problem, fix and argument of what can be said to be wrong without running the reward.
Refusal = Callable[[Mapping[str, Any]], tuple[str, str, str] | None]

# Columns that whoever scores brings along, beside those of the data set.
GIVEN_COLUMNS = ("answer", "references", "question", "prompts", "completion_tokens")

# What functions written for TRL read and nobody gives here, and what to read instead.
INSTEAD_OF = {"completion_ids": "completion_tokens (how many each completion has), or **columns"}

# Arguments that are filled in from the recipe's keys of the same name.
FROM_RECIPE = ("reasoning_tag", "answer_tag", "max_completion_length")


@dataclass(frozen=True)
class Reward:
    """A reward and what it takes."""

    name: str
    function: RewardFunction
    maximum: float | None = None  # None: it has no highest score
    columns: tuple[str, ...] = ()
    arguments: Mapping[str, inspect.Parameter] = field(default_factory=dict)
    # Columns that it takes where the data has them; a recipe may also give one as an argument.
    optional: Mapping[str, inspect.Parameter] = field(default_factory=dict)
    takes_every_column: bool = False
    slow: bool = False  # it takes milliseconds a completion or more, so it is kept off the main path
    tried_by_check: bool = True  # a gold answer says what it can give, and it needs neither a model nor a network
    refuses: Refusal = lambda arguments: None
    is_own: bool = False  # the user's code, which may do anything to the process

    @property
    def summary(self) -> str:
        """What it gives, in one line."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


@dataclass(frozen=True)
class ReadyReward:
    """A reward with a recipe's arguments."""

    reward: Reward
    weight: float
    arguments: Mapping[str, Any]

    def lacking(self, columns: Mapping[str, Any]) -> list[str]:
        """The columns that it needs and that are not there."""
        return [name for name in self.reward.columns if name not in columns]

    def score(self, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Iterable[Score]:
        """The unweighted scores of a batch."""
        found = self.reward
        names: Iterable[str] = [*found.columns, *(name for name in found.optional if name in columns)]
        if found.takes_every_column:
            # A data set may have columns of these names, which are not what the model said.
            names = (name for name in columns if name not in ("completions", "completion"))
        # Copies, because a reward that changes its lists must not change them for the others.
        taken = {name: list(columns[name]) for name in names}
        return found.function(**{**taken, **self.arguments}, completions=list(completions))


class BadReward(ValueError):
    """A reward of the recipe cannot be used: the problem and the fix."""

    def __init__(self, problem: str, fix: str, *path: str) -> None:
        super().__init__(f"{problem}; {fix}")
        self.problem, self.fix, self.path = problem, fix, path


_REWARDS: dict[str, Reward] = {}


def reward(
    *, maximum: float | None, slow: bool = False, tried_by_check: bool = True, refuses: Refusal = lambda arguments: None
) -> Callable[[Function], Function]:
    """Register a reward under its function's name, with the highest score that it gives (None: no highest)."""

    def register(function: Function) -> Function:
        parameters = inspect.signature(function).parameters
        columns = [
            name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD and name != "completions"
        ]
        arguments = {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
        _REWARDS[function.__name__] = Reward(
            function.__name__,
            function,
            maximum,
            tuple(columns),
            arguments,
            slow=slow,
            tried_by_check=tried_by_check,
            refuses=refuses,
        )
        return function

    return register


@cache
def _discover() -> None:
    for module in pkgutil.iter_modules(rewards.__path__):
        importlib.import_module(f"grpoctl.rewards.{module.name}")


def _import_modules_with(name: str) -> None:
    """Those that define a function of that name, as all of them would take a fifth of `grpoctl check`."""
    for folder in rewards.__path__:
        for file in Path(folder).glob("*.py"):
            if f"\ndef {name}(" in file.read_text(encoding="utf-8"):
                importlib.import_module(f"grpoctl.rewards.{file.stem}")


def all_rewards() -> dict[str, Reward]:
    """Every built-in reward by name."""
    _discover()
    return dict(sorted(_REWARDS.items()))


def ready_reward(use: RewardUse, recipe: Recipe | None) -> ReadyReward:
    """One entry of reward_funcs, its name looked up and its arguments checked against the signature.

    Without a recipe there are no tags but the reward's own.
    """
    found = _own(use.use, use.args) if is_own(use.use) else _built_in(use.use)
    for name, value in use.args.items():
        _check_argument(found, name, value)
    from_recipe = {name: getattr(recipe, name) for name in FROM_RECIPE if recipe and name in found.arguments}
    arguments = {**from_recipe, **use.args}
    for name, parameter in found.arguments.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise BadReward(f"uses {found.name} without {name}", f"add {name}: …", "args")
    refused = found.refuses(arguments)
    if refused is not None:
        problem, fix, name = refused
        raise BadReward(problem, fix, "args", name)
    return ReadyReward(found, use.weight, arguments)


def _built_in(name: str) -> Reward:
    _import_modules_with(name)
    known = _REWARDS if name in _REWARDS else all_rewards()
    if name not in known:
        close = nearest(name.removesuffix("_reward").removesuffix("_func"), known)
        fix = f"did you mean {close}?" if close else f"use one of {', '.join(known)}, or your_file.py:function"
        raise BadReward(f"names {shown(name)}, which is no reward", fix, "use")
    return known[name]


def _own(place: str, given: Mapping[str, Any]) -> Reward:
    """The user's own function, in whichever of the known forms it is written."""
    try:
        function = load_function(place)
    except ValueError as error:
        problem, _, fix = str(error).partition("; ")
        raise BadReward(problem, fix, "use") from None
    takes = parameters_of(function, {*given, *FROM_RECIPE})
    return Reward(
        place.rpartition(":")[2],
        scoring_with(function, {*takes.arguments, *given}),
        columns=takes.columns,
        arguments=takes.arguments,
        optional=takes.optional,
        takes_every_column=takes.every_column,
        slow=True,
        is_own=True,
    )


def _check_argument(found: Reward, name: str, value: object) -> None:
    takes = [*found.arguments, *found.optional]
    if name not in takes:
        of_its_own = [column for column in found.columns if column not in GIVEN_COLUMNS]
        close = nearest(name, [*takes, *of_its_own, "use", "weight", "args"])
        listed = f"{found.name} takes {', '.join(takes) or 'no arguments'}"
        raise BadReward(f"is no argument of {found.name}", f"did you mean {close}?" if close else listed, "args", name)
    parameter = {**found.optional, **found.arguments}[name]
    is_default = value is None and parameter.default is None  # `words: int = None` says less than it means
    if not is_default and not fits(value, parameter.annotation):
        raise BadReward(f"is {shown(value)}", f"give {in_words(parameter.annotation)}", "args", name)
