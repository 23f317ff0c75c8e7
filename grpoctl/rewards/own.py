"""How does the user's own function become a reward?

`my_rewards.py:brevity` names it. It may be written as TRL has them (`completions, references, **columns`), as Tunix has
them (`prompts, completions, **columns`), or for one completion at a time (`completion, answer`), plain or async. Its
parameters without a default are columns; the others are arguments of the recipe, or columns where the data has them.
"""

import asyncio
import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from grpoctl.errors import nearest, printable
from grpoctl.paths import is_file, user_path

# The names of the batch form by those of the form for one completion.
_PLURALS = {"prompt": "prompts", "reference": "references"}


@dataclass(frozen=True)
class Parameters:
    """What a function takes beside the completions, under the names of columns."""

    columns: tuple[str, ...]
    optional: tuple[str, ...]
    arguments: Mapping[str, inspect.Parameter]
    every_column: bool


def is_own(name: str) -> bool:
    """Whether a reward's name is a place in a Python file."""
    return name.endswith(".py") or ".py:" in name


def own_files(names: Iterable[str]) -> list[Path]:
    """The files of those rewards that are the user's own."""
    return list(dict.fromkeys(user_path(_split(name)[0]) for name in names if is_own(name)))


def _split(place: str) -> tuple[str, str]:
    """File and function."""
    file, _, name = place.rpartition(":") if ".py:" in place else (place, "", "")
    return file, name


def load_function(place: str) -> Callable[..., Any]:
    """The function, or ValueError with problem and fix."""
    file, name = _split(place)
    path = user_path(file)
    if not is_file(path):
        raise ValueError(f"names {file}, which is no file; give its path, which starts where you are")
    module = _module(str(path.resolve()), path.stat().st_mtime_ns)
    functions = [
        name for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]  # fmt: skip
    function: Any = getattr(module, name, None) if name else None
    if not callable(function):
        close = nearest(name, functions) or (functions[0] if functions else None)
        fix = f"did you mean {file}:{close}?" if close else "write one: def name(completions, answer): …"
        what = f"names {name}, which {file} lacks" if name else f"names {file} and no function in it"
        raise ValueError(f"{what}; {fix}")
    if not {"completions", "completion"} & inspect.signature(function).parameters.keys():
        raise ValueError(f"names {name}, which takes no completions; give it a parameter completions or completion")
    found: Callable[..., Any] = function
    return found


@functools.lru_cache(maxsize=64)
def _module(path: str, changed: int) -> ModuleType:
    """The file as a module, read again once it has changed."""
    name = f"grpoctl_own_{Path(path).stem}_{abs(hash((path, changed)))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"names {path}, which cannot be read as Python; end its name in .py")
    module = importlib.util.module_from_spec(spec)
    # What it prints goes to standard error: standard output may have to hold one JSON document.
    vars(module)["print"] = functools.partial(print, file=sys.stderr)
    sys.modules[name] = module  # dataclasses and pickle look there
    folder = str(Path(path).parent)
    if folder not in sys.path:  # so that it can import its neighbours
        sys.path.append(folder)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ValueError(f"fails as it is loaded ({_where(error, path)}); mend it") from None
    return module


def _where(error: BaseException, path: str) -> str:
    """The error and the line of the user's file that it came from."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return printable(f"{Path(path).name}:{line}: {type(error).__name__}: {said}"[:200])


def parameters_of(function: Callable[..., Any]) -> Parameters:
    """What the function takes, read off its signature."""
    needed, optional, arguments, every = [], [], {}, False
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            every = True
        elif parameter.kind is parameter.VAR_POSITIONAL or name in ("completions", "completion"):
            continue
        elif parameter.kind is parameter.KEYWORD_ONLY:
            arguments[name] = parameter
        elif parameter.default is parameter.empty:
            needed.append(_PLURALS.get(name, name) if _is_single(function) else name)
        else:
            optional.append(name)
    return Parameters(tuple(needed), tuple(optional), arguments, every)


def _is_single(function: Callable[..., Any]) -> bool:
    return "completions" not in inspect.signature(function).parameters


def scoring_with(function: Callable[..., Any], arguments: Collection[str]) -> Callable[..., Any]:
    """The function in the form of every reward: batches in, scores out. A score may be the exception in its place.

    `arguments` are the names that the recipe gives one value for all completions.
    """
    scoring = _one_at_a_time(function, arguments) if _is_single(function) else _all_at_once(function)
    return functools.wraps(function)(scoring)


def _all_at_once(function: Callable[..., Any]) -> Callable[..., Any]:
    def score(**batches: Any) -> Any:
        found = function(**batches)
        return asyncio.run(_awaited(found)) if inspect.isawaitable(found) else found

    return score


def _one_at_a_time(function: Callable[..., Any], arguments: Collection[str]) -> Callable[..., Any]:
    takes = inspect.signature(function).parameters
    singles = {plural: single for single, plural in _PLURALS.items() if single in takes}

    def score(completions: Sequence[str], **given: Any) -> list[Any]:
        settings = {name: value for name, value in given.items() if name in arguments}
        batches = {singles.get(name, name): values for name, values in given.items() if name not in settings}
        rows = [
            {"completion": text, **settings, **{name: values[row] for name, values in batches.items()}}
            for row, text in enumerate(completions)
        ]
        return _results(function, rows)

    return score


def _results(function: Callable[..., Any], rows: Sequence[dict[str, Any]]) -> list[Any]:
    """Each result, or the exception in its place; async ones wait side by side."""
    found: list[Any] = []
    for row in rows:
        try:
            found.append(function(**row))
        except Exception as error:  # it is the user's code: one bad completion must not take the others with it
            found.append(error)
    if not any(map(inspect.isawaitable, found)):
        return found

    async def together() -> list[Any]:
        waiting = [_awaited(result) for result in found]
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    return asyncio.run(together())


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result
