"""What is an engine given to train a planned run, who listens, and what is told of its start and its end?"""

import logging
import signal
from collections.abc import Callable
from pathlib import Path

from grpoctl.advice import Advisor
from grpoctl.counted import counted
from grpoctl.engines.base import Outcome, TrainJob
from grpoctl.errors import Finding, GrpoctlError, InputError
from grpoctl.model_files import find_base
from grpoctl.plan import Plan
from grpoctl.problems import split_problems
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.scoring import Scorer
from grpoctl.run import events as ev
from grpoctl.run.checkpoints import step_of
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import EventFile, Stream, lasting, read_events
from grpoctl.run.plots import PlotSink
from grpoctl.run.tensorboard import TensorBoardSink
from grpoctl.run.terminal import Narrator
from grpoctl.run.view import view_run

_log = logging.getLogger(__name__)


def make_job(
    plan: Plan, run: RunDirectory, stream: Stream, checkpoint: Path | None, stop: Callable[[], int | None]
) -> TrainJob:
    recipe, found = plan.recipe, plan.found
    model = find_base(recipe)
    if model is None:
        raise InputError(Finding("is not on this machine", "fetch it first", key="model_name_or_path"))
    problems, held = split_problems(recipe, found)
    # A run of few steps has few in which a reward can fail.
    scorer = Scorer(found.rewards, recipe.model_copy(update={"max_steps": plan.max_steps}))
    return TrainJob(recipe, model, problems, held, scorer, plan.max_steps, run, stream, stop, checkpoint)


def make_stream(run: RunDirectory, recipe: Recipe, checkpoint: Path | None) -> Stream:
    stream = Stream([EventFile(run.events), Narrator(), PlotSink(run, loss=recipe.plot_loss)])
    if {"tensorboard", "all"} & set(recipe.report_to):
        stream.sinks.append(TensorBoardSink(run, purge_step=step_of(checkpoint) or None))
    reached = step_of(checkpoint)
    earlier = [event for event in lasting(read_events(run.events)[0]) if event.get("step", 0) <= reached]
    stream.sinks.append(Advisor(recipe, stream, earlier))
    return stream


def tell_start(stream: Stream, plan: Plan, checkpoint: Path | None) -> None:
    kind = ev.RUN_STARTED if plan.resumed is None else ev.RUN_RESUMED
    stream.tell(kind, step=step_of(checkpoint), max_steps=plan.max_steps)


def tell_end(stream: Stream, run: RunDirectory, outcome: Outcome) -> None:
    """The last lines for people, and then the end for machines, who stop reading there."""
    evals = [event for event in view_run(run).evals if event.get("mode") == "greedy"]
    if len(evals) > 1:
        first, last = evals[0], evals[-1]
        after = f"{last['accuracy']:.3f} after {counted(last['step'], 'step')}"
        _log.info("%s: %.3f right before, %s", last["dataset"], first["accuracy"], after)
    reached = f"at step {outcome.step} of {outcome.max_steps}"
    if outcome.stopped_by is None:
        _log.info("finished %s; look: grpoctl show %s", reached, run.name)
    else:
        _log.info("stopped %s; go on: grpoctl train --resume %s", reached, run.name)
    if outcome.stopped_by is None:
        stream.tell(ev.RUN_FINISHED, step=outcome.step, max_steps=outcome.max_steps)
    else:
        name = signal.Signals(outcome.stopped_by).name
        stream.tell(ev.RUN_STOPPED, step=outcome.step, max_steps=outcome.max_steps, signal=name)


def tell_failure(stream: Stream, run: RunDirectory, error: Exception) -> None:
    said = str(error) if isinstance(error, GrpoctlError) else f"{type(error).__name__}: {error}"
    if run.path.is_dir():
        stream.tell(ev.RUN_FAILED, step=view_run(run).step, error=said)
    # The command line prints it once, as every error.
    unforeseen = None if isinstance(error, GrpoctlError) else error
    _log.error("failed: %s", said, exc_info=unforeseen, extra={"log_only": True})
