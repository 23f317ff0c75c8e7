"""Is vLLM up, from before the model is loaded to the end of the run?

A server is waited for, a start has a time that it has to be done in, and a run whose vLLM is gone says so in one line.
"""

import functools
import logging
import os
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from types import TracebackType
from typing import Any, NoReturn

from grpoctl.engines.base import TrainJob
from grpoctl.errors import GrpoctlError
from grpoctl.memory_lack import lack_of
from grpoctl.recipe.schema import Recipe
from grpoctl.run import events as ev
from grpoctl.run import ranks
from grpoctl.run.ranks import Failure

_log = logging.getLogger(__name__)

# So long a start that does not end when it is told to may still take, before its process is ended.
_GRACE_S = 30.0
# Seconds to find a server's door; what it takes to answer is another matter.
_KNOCK_S = 10.0


class VllmError(GrpoctlError):
    """vLLM is not there, not in time, or has other weights."""


def place_of(recipe: Recipe) -> str:
    return f"{recipe.vllm_server_host}:{recipe.vllm_server_port}"


def how_to_start(recipe: Recipe) -> str:
    return f"trl vllm-serve --model {recipe.model_name_or_path} --port {recipe.vllm_server_port}"


def wait_for_server(recipe: Recipe, *, between_s: float = 1.0) -> None:
    """VllmError where it does not answer in vllm_server_timeout seconds."""
    # Not through a proxy: the server is one of ours.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    ends, waited = time.monotonic() + recipe.vllm_server_timeout, False
    while True:
        try:
            with opener.open(f"http://{place_of(recipe)}/health", timeout=_KNOCK_S):
                return
        except (OSError, HTTPException, ValueError) as error:
            reason = str(getattr(error, "reason", None) or error) or type(error).__name__
        if time.monotonic() + between_s >= ends:
            raise VllmError(
                f"vllm_server_host: no vLLM server answers at {place_of(recipe)} in {recipe.vllm_server_timeout:g} s "
                f"({reason}); start it: {how_to_start(recipe)}, or change vllm_server_host and vllm_server_port."
            )
        if not waited:
            waited = True
            _log.info("waiting for the vLLM server at %s …", place_of(recipe))
        time.sleep(between_s)


@contextmanager
def in_time(job: TrainJob) -> Iterator[None]:
    """What starts vLLM inside has ddp_timeout seconds. One that hangs where no signal reaches it loses its process."""
    recipe, limit_s = job.recipe, job.recipe.ddp_timeout
    if not recipe.use_vllm:
        yield
        return
    where = f"the server at {place_of(recipe)}" if recipe.vllm_mode == "server" else "it in this process"
    said = (
        f"use_vllm: vLLM has not started in {limit_s} s ({where}, ddp_timeout); look into {job.run.log} for what it "
        f"was at, raise ddp_timeout, or take use_vllm out."
    )

    def stop(*_: object) -> NoReturn:
        raise VllmError(said)

    alone = threading.Timer(limit_s + _GRACE_S, lambda: _end_process(job, said))
    alone.daemon = True
    alone.start()
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        with _in_one_line("use_vllm: vLLM does not start", f"see {job.run.log}, or take use_vllm out"):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        alone.cancel()


def _end_process(job: TrainJob, said: str) -> None:
    rank = int(os.environ.get("RANK", "0"))
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        ranks.tell(job.run, Failure(rank, said))
    else:
        job.stream.tell(ev.RUN_FAILED, step=0, error=said)
    print(said, file=sys.stderr, flush=True)
    os._exit(1)


def limit_requests(generation: Any, seconds: float) -> None:
    """A server that takes a request and never answers is one that is gone."""
    client = getattr(generation, "vllm_client", None)  # the first process alone has one
    if client is not None:
        client.session.request = functools.partial(client.session.request, timeout=(_KNOCK_S, seconds))


@contextmanager
def alive(generation: Any, step: int, run_name: str) -> Iterator[None]:
    """vLLM's end inside becomes one line, with how the run goes on."""
    server = generation.mode == "server"
    who = f"the vLLM server at {generation.server_host}:{generation.server_port}" if server else "vLLM in this process"
    again = "start it again (trl vllm-serve --model …), then " if server else ""
    with _in_one_line(f"step {step}: {who} no longer answers", f"{again}go on: grpoctl train --resume {run_name}"):
        yield


@contextmanager
def _in_one_line(problem: str, fix: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, GrpoctlError) or lack_of(error) is not None or not _is_of_vllm(error.__traceback__):
            raise
        reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
        raise VllmError(f"{problem} ({reason}); {fix}.") from error


def _is_of_vllm(trace: TracebackType | None) -> bool:
    """Whether the error came through vLLM, or what TRL asks it by."""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        if module.partition(".")[0] == "vllm" or module.startswith("trl.generation"):
            return True
        trace = trace.tb_next
    return False
