"""How are JAX and Tunix loaded without what they take along and nothing here uses?"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


@contextmanager
def leanly() -> Iterator[None]:
    """For the imports of these libraries, which are a good part of a start.

    What an import makes stays for good. To look through all of it for garbage, again and again, takes a fifth of a
    start; so that waits, and what Tunix's first import has made is left out from then on.
    """
    is_first = "tunix" not in sys.modules
    gc.disable()
    try:
        _load_tensorboard_without_torch()
        with put_off("pandas"):  # of all Tunix a log of trajectories uses it, for which none asks here
            yield
    finally:
        if is_first and "tunix" in sys.modules:
            gc.freeze()
        gc.enable()


def _load_tensorboard_without_torch() -> None:
    """tensorboardX, a part of Tunix, takes torch along where that is installed, and needs it for pictures alone."""
    if sys.modules.keys() & {"torch", "tensorboardX"}:
        return
    sys.modules["torch"] = None  # type: ignore[assignment]  # to an import, a module that is not installed
    try:
        with suppress(ImportError):
            import tensorboardX  # noqa: F401
    finally:
        del sys.modules["torch"]


@contextmanager
def put_off(name: str) -> Iterator[None]:
    """Whoever imports the module meanwhile gets one that loads it once something of it is used."""
    if name in sys.modules or find_spec(name) is None:
        yield
        return
    stand_in: Any = ModuleType(name)

    def leave() -> None:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]

    def used(attribute: str) -> Any:
        leave()
        return getattr(import_module(name), attribute)

    stand_in.__getattr__ = used
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        leave()
