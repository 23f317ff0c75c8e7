"""How does one run go on in several processes: who starts them, who tells them to stop, what does each do?"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from grpoctl.engines.base import Outcome
from grpoctl.errors import GrpoctlError
from grpoctl.job import make_job, make_stream, tell_end, tell_failure, tell_start
from grpoctl.paths import user_path
from grpoctl.plan import Plan, refuse_what_cannot_train
from grpoctl.preflight import check
from grpoctl.recipe.load import read_resolved
from grpoctl.run import checkpoints
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import EventFile, Stream
from grpoctl.run.files import write_whole
from grpoctl.run.manifest import read_manifest
from grpoctl.run.process import descendants, is_running
from grpoctl.run.stop import StopRequest
from grpoctl.run.terminal import narrating
from grpoctl.run.view import view_run


def in_processes(command: list[str], plan: Plan, run: RunDirectory, checkpoint: Path | None) -> Outcome:
    """Start the processes, pass stop requests on, and say how they ended."""
    process: subprocess.Popen[bytes] | None = None

    def end_all() -> None:
        for pid in [*descendants(process.pid), process.pid] if process is not None else []:
            _kill(pid)

    stop = StopRequest(at_once=end_all)
    stream = Stream([EventFile(run.events)])
    tell_start(stream, plan, checkpoint)
    with stop.listening():
        # A session of its own, so that Ctrl-C reaches this process alone and is passed on once.
        process = subprocess.Popen(command, stdout=sys.stderr, start_new_session=True)
        while process.poll() is None:
            if stop() is not None and not run.stop_request.exists():
                write_whole(run.stop_request, str(stop()))
            try:
                process.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                continue
    step = view_run(run).step
    if process.returncode:
        error = GrpoctlError(f"a process of this run ended with code {process.returncode}; its error stands above.")
        tell_failure(stream, run, error)
        raise error
    outcome = Outcome(step, plan.max_steps, stop())
    tell_end(stream, run, outcome)
    return outcome


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _requested(run: RunDirectory) -> int | None:
    try:
        return int(run.stop_request.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def work(run: RunDirectory, overrides: Sequence[str] = ()) -> Outcome:
    """One of several processes of a run that `carry_out` prepared; the first of them writes."""
    reading = read_resolved(run.resolved, overrides)
    named = reading.recipe.resume_from_checkpoint if reading.recipe is not None else None
    if reading.recipe is not None:  # the folder is the run's own by now
        reading.recipe = reading.recipe.model_copy(update={"resume_from_checkpoint": "latest"})
    plan = Plan(check(reading), "", str(run.recipe), [], resumed=run)
    first = os.environ.get("RANK", "0") == "0"
    checkpoint = checkpoints.newest_whole(run)[0] if named in (None, "latest") else user_path(str(named))
    stop = StopRequest()
    with narrating(run, sys.stderr) if first else contextlib.nullcontext(), stop.listening():
        stream = make_stream(run, plan.recipe, checkpoint) if first else Stream()
        engine = refuse_what_cannot_train(plan)
        job = make_job(plan, run, stream, checkpoint, stop)
        manifest = read_manifest(run)
        launcher = int(manifest.get("process_id") or 0), manifest.get("process_started")
        # Signals reach the launcher alone, and a launcher that was killed cannot pass one on.
        job.stop_signal = lambda: stop() or _requested(run) or (None if is_running(*launcher) else int(signal.SIGTERM))
        try:
            return engine.train(job)
        finally:
            stream.close()
