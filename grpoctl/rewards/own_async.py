"""What do the async functions of a user's own come to? All of a batch wait side by side."""

import asyncio
import functools
import inspect
import math
import os
import threading
from collections.abc import Sequence
from typing import Any

from grpoctl.deadline import OutOfTime, left_s
from grpoctl.rewards.own_calls import LATE, raised


def results_of(waiting: Sequence[Any]) -> list[Any]:
    """What each comes to, or the exception in its place."""
    return asyncio.run_coroutine_threadsafe(_together(waiting), _loop(os.getpid())).result()


async def _together(results: Sequence[Any]) -> list[Any]:
    """What takes longer than there is time is given up."""
    tasks = [asyncio.ensure_future(_awaited(result)) for result in results]
    left = left_s()
    _, late = await asyncio.wait(tasks, timeout=None if math.isinf(left) else max(0.0, left))
    for task in late:
        task.cancel()
    return [OutOfTime(LATE) if task in late else task.result() for task in tasks]


async def _awaited(result: Any) -> Any:
    try:
        return await result if inspect.isawaitable(result) else result
    except raised() as error:  # SystemExit would end the loop, which others wait in
        return error


@functools.cache
def _loop(process: int) -> asyncio.AbstractEventLoop:
    """One loop for all calls: a lock, or a client with open connections, belongs to the loop that it was first used in.

    A forked process has none of its parent's threads.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="async rewards", daemon=True).start()
    return loop
