"""What does one of several processes of a run do? `workers` starts it; the first of them writes the run's events."""

import faulthandler
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NoReturn, TextIO

from grpoctl import out_of_memory
from grpoctl.errors import GrpoctlError
from grpoctl.job import make_job, make_stream
from grpoctl.paths import user_path
from grpoctl.plan import Plan, refuse_what_cannot_train
from grpoctl.preflight import check
from grpoctl.recipe.load import read_resolved
from grpoctl.rewards import witness
from grpoctl.run import checkpoints, launched, ranks
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Stream
from grpoctl.run.ranks import Failure, Heart
from grpoctl.run.terminal import narrating

# What a process says whose connection to another broke or fell silent, in the words of gloo, NCCL and torch's store.
_LOST = re.compile(r"gloo|nccl|connection (closed|reset|refused)|broken pipe|timed? ?out waiting|tcpstore|socket", re.I)


def take_part(run: RunDirectory, overrides: Sequence[str] = ()) -> NoReturn:
    """`work`, and the end of this process. Threads that talk to the others' may outlive it by a moment, and would abort
    Python's own end; all that the run keeps is on the disk by then."""
    code = work(run, overrides)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def work(run: RunDirectory, overrides: Sequence[str] = ()) -> int:
    """Take part in a run that `carry_out` prepared; the exit code. A failure is left for who started this."""
    rank = int(os.environ.get("RANK", "0"))
    for number in (signal.SIGINT, signal.SIGTERM):  # the launcher takes them, and passes them on
        signal.signal(number, signal.SIG_IGN)
    heart = Heart(run, rank)
    heart.enter("starting")
    try:
        with (
            _log_in_place_of_the_screen(run) as screen,
            narrating(run, screen) if rank == 0 else nullcontext(),
            witness.of_run(run.path),
        ):
            _train(run, heart, overrides, first=rank == 0)
    except Exception as error:
        ranks.tell(run, failure_of(error, rank))
        return 1
    return 0


def _train(run: RunDirectory, heart: Heart, overrides: Sequence[str], *, first: bool) -> None:
    if not run.resolved.is_file():
        raise GrpoctlError(f"{run.path}: is not there; output_dir has to be a folder that every machine sees.")
    reading = read_resolved(run.resolved, overrides)
    named = reading.recipe.resume_from_checkpoint if reading.recipe is not None else None
    if reading.recipe is not None:  # the folder is the run's own by now
        reading.recipe = reading.recipe.model_copy(update={"resume_from_checkpoint": "latest"})
    plan = Plan(check(reading), "", str(run.recipe), [], resumed=run)
    checkpoint = checkpoints.newest_whole(run)[0] if named in (None, "latest") else user_path(str(named))
    stream = make_stream(run, plan.recipe, checkpoint) if first else Stream()
    engine = refuse_what_cannot_train(plan)
    job = make_job(plan, run, stream, checkpoint, lambda: _requested(run))
    job.on_phase = heart.enter
    try:
        with out_of_memory.in_words(plan.found):
            engine.train(job)
    except Exception as error:
        ranks.tell(run, failure_of(error, int(os.environ.get("RANK", "0"))))  # before the last plots are drawn
        raise
    finally:
        stream.close()


def failure_of(error: Exception, rank: int) -> Failure:
    """An error as the launcher is told of it."""
    if isinstance(error, GrpoctlError):
        return Failure(rank, str(error), exit_code=error.exit_code)
    said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}"
    lost = isinstance(error, RuntimeError | OSError) and _LOST.search(str(error)) is not None
    return Failure(rank, said, lost_others=lost, trace="".join(traceback.format_exception(error)))


@contextmanager
def _log_in_place_of_the_screen(run: RunDirectory) -> Iterator[TextIO]:
    """What libraries print goes into train.log, from every process; the screen is for whoever tells of the run."""
    sys.stdout.flush()
    with os.fdopen(os.dup(2), "w", encoding="utf-8") as screen:
        if run.path.is_dir():
            log = os.open(run.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.close(log)
            faulthandler.register(signal.SIGUSR1)  # how the launcher asks a process that hangs where it is
        yield screen


def _requested(run: RunDirectory) -> int | None:
    """The signal that the launcher got; one that was killed cannot pass any on, and asked for the end by that."""
    asked = ranks.stop_asked(run)
    return int(signal.SIGTERM) if asked is None and launched.launcher_is_gone() else asked
