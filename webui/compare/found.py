"""What does comparing the chosen runs find? Worked out beside the page, again where anything was evaluated."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path

from grpoctl.comparison.runs import Comparison, compare_runs
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from webui.live import live_run

_KEPT = 4
_PATIENCE_S = 0.4  # of a view; thousands of samples of eight runs take longer

_found: "OrderedDict[Hashable, Future[Comparison]]" = OrderedDict()
_lock = threading.Lock()
_worker = ThreadPoolExecutor(1, "comparison")


def comparison(runs: Sequence[RunDirectory]) -> Comparison | None:
    """The comparison with every pair tested; None where it is still being worked out."""
    mark = tuple(_mark(run) for run in runs)
    with _lock:
        future = _found.get(mark)
        if future is None:
            future = _found[mark] = _worker.submit(compare_runs, list(runs), every_pair=True)
            while len(_found) > _KEPT:
                _found.popitem(last=False)
        _found.move_to_end(mark)
    try:
        return future.result(_PATIENCE_S)
    except NotYet:
        return None
    except Exception:
        with _lock:
            _found.pop(mark, None)  # what failed once, such as a folder that was going, is tried again
        raise


def _mark(run: RunDirectory) -> Hashable:
    """What a comparison stands on. Not the steps: they change every second, and are not shown here."""
    evaluated = [str(event) for event in live_run(run).of_kind(ev.EVAL)]
    return run.name, tuple(evaluated), *map(file_mark, (run.resolved, *sorted(run.evals.glob("*.json"))))


def file_mark(path: Path) -> tuple[str, int, int]:
    """A file as it lies there now."""
    try:
        stat = path.stat()
    except OSError:
        return path.name, 0, -1
    return path.name, stat.st_mtime_ns, stat.st_size
