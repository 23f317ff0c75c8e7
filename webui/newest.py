"""Which runs are there, the one that was started last in front, and what does each one's manifest say?

A manifest is written again when its run goes on, so that the file's time is not when the run was started.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

from grpoctl.run.directory import RunDirectory, all_runs
from grpoctl.run.manifest import read_manifest

_read: dict[Path, tuple[tuple[int, int], dict[str, Any]]] = {}


def manifest_of(run: RunDirectory) -> dict[str, Any]:
    """Read again only where it was written again; empty where it cannot be read."""
    try:
        stat = run.manifest.stat()
    except OSError:
        return {}
    mark = (stat.st_mtime_ns, stat.st_ino)
    kept = _read.get(run.manifest)
    if kept is None or kept[0] != mark:
        kept = _read[run.manifest] = (mark, read_manifest(run))
    return kept[1]


def newest_runs() -> list[RunDirectory]:
    """Of two that were started in one second, the one that was written last goes first."""
    return sorted(all_runs(), key=_started, reverse=True)


def _started(run: RunDirectory) -> float:
    """By the file's own time where the manifest says none."""
    try:
        return datetime.fromisoformat(str(manifest_of(run).get("started"))).timestamp()
    except (ValueError, OverflowError, OSError):
        return _written(run)


def _written(run: RunDirectory) -> float:
    try:
        return run.manifest.stat().st_mtime
    except OSError:
        return 0.0
