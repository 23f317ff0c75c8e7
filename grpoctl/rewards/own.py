"""Which function of the user's own is meant by `my_rewards.py:brevity`, and can it be used?

`own_calls` says in which forms it may be written, and calls it.
"""

import contextlib
import functools
import importlib.util
import inspect
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from grpoctl.errors import nearest, printable
from grpoctl.paths import is_file, is_folder, user_path

# More on a terminal, or in the log of the page, is a flood.
_PRINTED_AT_MOST = 1_000_000


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
    function: Any = getattr(module, name, None) if name else None
    if not callable(function):
        raise ValueError(_no_function(file, name, module))
    if fault := _fault_of(function):
        raise ValueError(f"names {name}, which {fault}")
    found: Callable[..., Any] = function
    return found


def _no_function(file: str, name: str, module: ModuleType) -> str:
    """What is wrong with a name, and which one of the file was meant."""
    functions = [
        name for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]  # fmt: skip
    part_of = [other for other in functions if name and (name in other or other in name)]
    close = part_of[0] if part_of else nearest(name, functions)
    if not name:
        what, close = f"names {file} and no function in it", close or next(iter(functions), None)
    elif hasattr(module, name):
        what = f"names {name}, which is no function but {_a(getattr(module, name))}"
    else:
        what = f"names {name}, which {file} lacks"
    if close:
        return f"{what}; did you mean {file}:{close}?"
    has = f"it has {', '.join(functions[:5])}" if functions else "write one: def name(completions, answer): …"
    return f"{what}; {has}"


def _a(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _fault_of(function: Callable[..., Any]) -> str | None:
    """Why it cannot be called with completions and columns by name, and what to do."""
    if isinstance(function, type):
        return "is a class; name a function, or an object of that class"
    takes = inspect.signature(function).parameters
    forms = [name for name in ("completions", "completion") if name in takes]
    if not forms:
        return "takes no completions; give it a parameter completions or completion"
    if len(forms) > 1:
        return "takes both completions and completion; leave one of them"
    if any(parameter.kind is parameter.POSITIONAL_ONLY for parameter in takes.values()):
        return "takes parameters that have no names for a caller; take out the / behind them"
    return None


@functools.lru_cache(maxsize=64)
def _module(path: str, changed: int) -> ModuleType:
    """The file as a module, read again once it has changed."""
    name = f"grpoctl_own_{Path(path).stem}_{abs(hash((path, changed)))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"names {path}, which cannot be read as Python; end its name in .py")
    module = importlib.util.module_from_spec(spec)
    # What it prints goes to standard error: standard output may have to hold one JSON document.
    vars(module)["print"] = _Prints(Path(path).name)
    sys.modules[name] = module  # dataclasses and pickle look there
    try:
        with contextlib.redirect_stdout(sys.stderr), _neighbours(Path(path).parent):
            spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ValueError(f"fails as it is loaded ({_where(error, path)}); mend it") from None
    return module


class _Prints:
    """Python's print, on standard error, until a file has printed more than anybody reads."""

    def __init__(self, file: str) -> None:
        self._file, self._left = file, _PRINTED_AT_MOST

    def __call__(self, *values: object, **how: Any) -> None:
        if how.get("file") is not None:
            print(*values, **how)
            return
        if self._left <= 0:
            return
        text = io.StringIO()
        print(*values, **{**how, "file": text, "flush": False})
        said = text.getvalue()[: self._left]
        self._left -= len(said)
        print(said, end="", file=sys.stderr, flush=bool(how.get("flush")))
        if self._left <= 0:
            print(f"\n{self._file}: has printed {_PRINTED_AT_MOST:,} characters; no more is shown.", file=sys.stderr)


# Of the files that were loaded.
_FOLDERS: set[Path] = set()


@contextlib.contextmanager
def _neighbours(folder: Path) -> Iterator[None]:
    """It imports its own neighbours, though a file of another folder may have imported others of the same names."""
    modules = dict(sys.modules)
    for name in modules:
        top = name.partition(".")[0]
        if _lies_in(_FOLDERS - {folder}, modules.get(top)) and _has(folder, top):
            del sys.modules[name]
    _FOLDERS.add(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))  # a function may import one when it is called


def _has(folder: Path, name: str) -> bool:
    return is_file(folder / f"{name}.py") or is_folder(folder / name)


def _lies_in(folders: set[Path], module: ModuleType | None) -> bool:
    """Whether it is a file or a package of one of the folders, and none of this program, which may lie there too."""
    if module is None or module.__name__ == __package__.partition(".")[0]:
        return False
    places = list(getattr(module, "__path__", None) or filter(None, [getattr(module, "__file__", None)]))
    return any(Path(place).parent in folders for place in places)


def _where(error: BaseException, path: str) -> str:
    """The error and the line of the user's file that it came from."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    place = Path(path).name if line is None else f"{Path(path).name}:{line}"
    return printable(f"{place}: {type(error).__name__}: {said}"[:200])
