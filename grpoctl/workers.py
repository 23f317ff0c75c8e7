"""How does one run go on in several processes: who starts them, and who tells them and the person how it ends?"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

from grpoctl.clusters import PORT
from grpoctl.engines.base import Outcome
from grpoctl.errors import GrpoctlError
from grpoctl.plan import Plan
from grpoctl.recipe.schema import Recipe
from grpoctl.run import launched, ranks
from grpoctl.run.directory import RunDirectory
from grpoctl.run.files import write_whole
from grpoctl.run.process import descendants
from grpoctl.run.ranks import Failure
from grpoctl.run.stop import StopRequest
from grpoctl.run.stop_words import StopWords
from grpoctl.run.view import view_run
from grpoctl.watchdog import Watchdog

_log = logging.getLogger(__name__)

# The first process to say that it lost the others is rarely the one that they lost.
_SETTLES_S, _PATIENCE_S = 0.5, 5.0


class ProcessFailed(GrpoctlError):
    """One of several processes ended; the exit code is the one that its error has."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.exit_code = failure.exit_code


def in_processes(command: list[str], plan: Plan, run: RunDirectory, *, leads: bool = True) -> Outcome:
    """Start the processes of this machine, pass stop requests on, and end them all where one ends badly."""
    process: subprocess.Popen[bytes] | None = None

    def end_all() -> None:
        for pid in [*descendants(process.pid), process.pid] if process is not None else []:
            _kill(pid)

    stop = StopRequest(at_once=end_all, words=StopWords(run) if leads else None)
    if leads:
        ranks.clear(run)
    old = ranks.failures(run)  # where another machine leads, it has not cleared them yet
    watchdog = Watchdog(run, plan.recipe.processes, plan.recipe.ddp_timeout, lambda said: _log.warning("%s", said))
    environment = {**os.environ, **launched.environment(plan.recipe)}
    if plan.recipe.nnodes > 1:
        _log.info("waiting until all %d machines are here, at most %d s …", plan.recipe.nnodes, plan.recipe.ddp_timeout)
    failure: Failure | None = None
    with stop.listening():
        # A session of its own, so that Ctrl-C reaches this process alone and is passed on once.
        process = subprocess.Popen(command, stdout=sys.stderr, start_new_session=True, env=environment)
        while process.poll() is None and failure is None:
            if stop() is not None and not descendants(process.pid):
                break  # the machines still wait for each other, and there is nothing to save
            if stop() is not None and run.path.is_dir() and not run.stop_request.exists():
                write_whole(run.stop_request, str(stop()))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
            waited = watchdog.look() if leads else None
            if waited is not None:
                failure = Failure(None, f"{waited} train.log holds where each process was.")
                _write_stacks(process.pid)
            else:
                failure = _failure(run, process, watchdog, old)
        # torchrun would wait half a minute for those that wait for one that is gone.
        end_all()
        if process.wait() and failure is None and stop() is None:
            gone = Failure(None, f"torchrun ended with code {process.returncode}{_met_where(plan.recipe)}.")
            failure = _failure(run, process, watchdog, old) or gone
    if failure is not None:
        if failure.trace:
            _log.error("%s", failure.trace, extra={"log_only": True})
        raise ProcessFailed(failure)
    step = view_run(run).step
    return Outcome(step, plan.max_steps, stop() or (_stopped_elsewhere(run) if step < plan.max_steps else None))


def _stopped_elsewhere(run: RunDirectory) -> int:
    """The signal of a run that ended early without one here: another machine's command got it, or is gone."""
    return ranks.stop_asked(run) or int(signal.SIGTERM)


def _met_where(recipe: Recipe) -> str:
    if recipe.nnodes == 1:
        return ""
    place = f"{recipe.master_addr} (master_addr) at port {recipe.master_port or PORT} (master_port)"
    return f"; see that all {recipe.nnodes} machines run, and reach {place}"


def _failure(
    run: RunDirectory, process: subprocess.Popen[bytes], watchdog: Watchdog, old: list[Failure]
) -> Failure | None:
    """The failure that ends the run, where a process told of one."""

    def failed() -> list[Failure]:
        return [failure for failure in ranks.failures(run) if failure not in old]

    if not failed():
        return None
    time.sleep(_SETTLES_S)
    latest = time.monotonic() + _PATIENCE_S
    while ranks.cause(failed()) is None and process.poll() is None and time.monotonic() < latest:
        time.sleep(0.1)
    first = ranks.cause(failed())
    if first is not None:
        return replace(first, error=ranks.in_words(first, failed()))
    lost = failed()[0]
    return replace(lost, error=f"the processes lost each other: {watchdog.suspects()} ({lost.error}).")


def _write_stacks(agent: int) -> None:
    for pid in descendants(agent):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR1)
    time.sleep(_SETTLES_S)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
