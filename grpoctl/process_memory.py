"""How much memory does this process hold, and how much did it hold at most?"""

import os
import resource
from pathlib import Path

_PROCESS = Path("/proc/self")


def held_bytes() -> int:
    """What it holds now."""
    try:
        pages = (_PROCESS / "statm").read_text(encoding="ascii").split()[1]
    except OSError:  # a system without /proc
        return peak_bytes()
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """The most that it held since the mark was set back, or ever, where the system cannot do that."""
    try:
        lines = (_PROCESS / "status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def set_peak_back() -> None:
    """Let the peak be counted from here on."""
    try:
        (_PROCESS / "clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return
