"""Is the process that wrote this still the one that runs? A number alone may be another's by now."""

import os
from pathlib import Path


def start_time(pid: int) -> int | None:
    """When a process began, in the kernel's clock ticks; None where it is gone or only waits to be buried."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name stands in parentheses and may hold any character, so the fields are counted from the last one.
    fields = stat.rpartition(")")[2].split()
    return None if len(fields) < 20 or fields[0] == "Z" else int(fields[19])


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they did."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(folder.name))
    found, left = [], [pid]
    while left:
        left += (children := parents.get(left.pop(), []))
        found += children
    return found


def is_running(pid: int, started: int | None) -> bool:
    """Whether that very process is there. Where the system tells no start time, the number has to do."""
    if Path("/proc/self/stat").exists():
        return started is not None and start_time(pid) == started
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
