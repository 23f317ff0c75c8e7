"""Did memory run out, and what was asked for where how much was free?"""

import re
import sys
from dataclasses import dataclass
from typing import Any

from grpoctl.errors import GrpoctlError
from grpoctl.machine import free_memory_gib

# torch and JAX say it in errors of several types, and in these words.
_WORDS = re.compile(r"RESOURCE_EXHAUSTED|out of memory|can't allocate memory|_ALLOC_FAILED", re.IGNORECASE)
_TYPES = ("OutOfMemoryError", "AcceleratorError", "RuntimeError", "JaxRuntimeError", "XlaRuntimeError")
_SIZE = r"([\d.]+)\s*(bytes|[KMGT]i?B)"
_ASKED = re.compile(rf"allocat\w*\s+{_SIZE}", re.IGNORECASE)
_FREE = re.compile(rf"of which {_SIZE} is free")
_UNITS = {"b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True)
class Lack:
    """GiB, where they are known, and of which memory."""

    asked_gib: float | None
    free_gib: float | None
    whose: str

    def __str__(self) -> str:
        asked = f"{self.asked_gib:.2f} GiB were asked for" if self.asked_gib is not None else "more was asked for"
        free = f" where {self.free_gib:.2f} GiB were free" if self.free_gib is not None else ""
        return f"out of memory: {asked}{free} on {self.whose}"


def lack_of(error: BaseException) -> Lack | None:
    """What was lacking, or None where the error is of another kind."""
    if isinstance(error, GrpoctlError):
        return None
    said, kind = str(error), type(error).__name__
    is_one = isinstance(error, MemoryError) or kind == "OutOfMemoryError"
    if not is_one and (kind not in _TYPES or not _WORDS.search(said)):
        return None
    of_the_machine = isinstance(error, MemoryError) or "CPUAllocator" in said
    free, whose = (None, "this machine") if of_the_machine else _free_on_device()
    return Lack(_gib(_ASKED.search(said)), _gib(_FREE.search(said)) or free or _free_here(whose), whose)


def _gib(found: re.Match[str] | None) -> float | None:
    return float(found[1]) * _UNITS[found[2][0].lower()] / 2**30 if found else None


def _free_here(whose: str) -> float | None:
    return free_memory_gib() if whose == "this machine" else None


def _free_on_device() -> tuple[float | None, str]:
    """Of the device that the training was on, by the library that it was on; both are loaded by then."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0] / 2**30, torch.cuda.get_device_name()
    jax: Any = sys.modules.get("jax")
    if jax is not None:
        device = jax.local_devices()[0]
        held = device.memory_stats()
        if held and "bytes_limit" in held:
            return (held["bytes_limit"] - held["bytes_in_use"]) / 2**30, device.device_kind
    return None, "this machine"
