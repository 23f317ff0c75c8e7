"""Which rewards are there, what do they take, and how is a recipe's list of them made ready to score?

A reward is one function in a module of this package:

    @reward(maximum=1.0)
    def name(completions: list[str], answer: list[str], *, option: float = 0.5) -> list[float | None]:

Parameters before the star are batches: the completions, and columns of the data set by name (`answer` is the gold
answer). Those after it are arguments, which a recipe may set; `reasoning_tag` and `answer_tag` are filled in from the
recipe. None as a score means that the reward does not apply.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from grpoctl import rewards
from grpoctl.errors import nearest, shown
from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.schema import Recipe

Score = float | None
RewardFunction = Callable[..., list[Score]]
Function = TypeVar("Function", bound=RewardFunction)

_FROM_RECIPE = ("reasoning_tag", "answer_tag")


@dataclass(frozen=True)
class Reward:
    """A reward and what it takes."""

    name: str
    function: RewardFunction
    maximum: float | None  # None: it has no highest score
    slow: bool  # it takes milliseconds a completion, so it is kept off the main path
    columns: tuple[str, ...]
    arguments: dict[str, inspect.Parameter]


@dataclass(frozen=True)
class ReadyReward:
    """A reward with a recipe's arguments."""

    reward: Reward
    weight: float
    arguments: dict[str, Any]

    def score(self, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> list[Score]:
        """The unweighted scores of a batch."""
        batches = {name: columns[name] for name in self.reward.columns}
        return self.reward.function(completions=completions, **batches, **self.arguments)


class BadReward(ValueError):
    """A reward of the recipe cannot be used: the problem and the fix."""

    def __init__(self, problem: str, fix: str, *path: str) -> None:
        super().__init__(f"{problem}; {fix}")
        self.problem, self.fix, self.path = problem, fix, path


_REWARDS: dict[str, Reward] = {}


def reward(*, maximum: float | None, slow: bool = False) -> Callable[[Function], Function]:
    """Register a reward under its function's name, with the highest score that it gives (None: no highest)."""

    def register(function: Function) -> Function:
        parameters = inspect.signature(function).parameters
        columns = [
            name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD and name != "completions"
        ]
        arguments = {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
        name = function.__name__
        _REWARDS[name] = Reward(name, function, maximum, slow, tuple(columns), arguments)
        return function

    return register


@cache
def _discover() -> None:
    for module in pkgutil.iter_modules(rewards.__path__):
        importlib.import_module(f"grpoctl.rewards.{module.name}")


def all_rewards() -> dict[str, Reward]:
    """Every built-in reward by name."""
    _discover()
    return dict(sorted(_REWARDS.items()))


def ready_reward(use: RewardUse, recipe: Recipe) -> ReadyReward:
    """One entry of reward_funcs, its name looked up and its arguments checked against the signature."""
    known = all_rewards()
    if use.use not in known:
        close = nearest(use.use.removesuffix("_reward").removesuffix("_func"), known)
        fix = f"did you mean {close}?" if close else f"use one of {', '.join(known)}"
        raise BadReward(f"names {shown(use.use)}, which is no reward", fix, "use")
    found = known[use.use]
    for name, value in use.args.items():
        _check_argument(found, name, value)
    from_recipe = {name: getattr(recipe, name) for name in _FROM_RECIPE if name in found.arguments}
    return ReadyReward(found, use.weight, {**from_recipe, **use.args})


def _check_argument(found: Reward, name: str, value: object) -> None:
    if name not in found.arguments:
        close = nearest(name, found.arguments)
        takes = f"{found.name} takes {', '.join(found.arguments) or 'no arguments'}"
        raise BadReward(f"is no argument of {found.name}", f"did you mean {close}?" if close else takes, "args", name)
    wanted = found.arguments[name].annotation
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return
    if isinstance(wanted, type) and (not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool)):
        raise BadReward(f"is {shown(value)}", f"give a {wanted.__name__}", "args", name)
