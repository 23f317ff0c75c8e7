"""How does a recipe become a run, new or resumed, and how does the run end?"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from grpoctl.advice import Advisor
from grpoctl.data.chat import ChatTokenizer, messages_of
from grpoctl.data.dataset_info import files_of
from grpoctl.data.problems import Problem, hold_back
from grpoctl.engines.base import ENGINES, Engine, Outcome, TrainJob, load_engine
from grpoctl.errors import Finding, GrpoctlError, InputError, RecipeError
from grpoctl.model_files import find_model, find_tokenizer
from grpoctl.packages import missing_packages
from grpoctl.paths import user_path
from grpoctl.preflight import Preflight, check
from grpoctl.recipe.load import find_recipe, read_recipe, read_resolved
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.steps import held_back
from grpoctl.rewards.scoring import Scorer
from grpoctl.run import checkpoints
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory, find_run, new_run_directory
from grpoctl.run.events import EventFile, Stream, lasting, read_events
from grpoctl.run.files import write_json, write_whole
from grpoctl.run.manifest import make_manifest, read_manifest, sha256, write_manifest
from grpoctl.run.plots import PlotSink
from grpoctl.run.process import descendants, is_running
from grpoctl.run.stop import StopRequest
from grpoctl.run.tensorboard import TensorBoardSink
from grpoctl.run.terminal import Narrator, narrating
from grpoctl.run.view import view_run

_log = logging.getLogger(__name__)


@dataclass
class Plan:
    """A run that can start: a recipe without errors, its text, and the folder to go on in, if any."""

    found: Preflight
    recipe_text: str
    recipe_file: str
    overrides: list[str]
    resumed: RunDirectory | None = None

    @property
    def recipe(self) -> Recipe:
        recipe = self.found.recipe
        if recipe is None:
            raise RecipeError(self.found.errors)
        return recipe


def plan_new(recipe_file: str, overrides: Sequence[str]) -> Plan:
    """A new run of a recipe."""
    reading = read_recipe(recipe_file, overrides)
    text = find_recipe(recipe_file).read_text(encoding="utf-8") if reading.recipe is not None else ""
    plan = Plan(check(reading), text, recipe_file, list(overrides))
    if plan.found.recipe is not None and plan.recipe.resume_from_checkpoint is not None and plan.recipe.output_dir:
        folder = RunDirectory(user_path(plan.recipe.output_dir))
        plan.resumed = folder if folder.manifest.is_file() else None
    return plan


def plan_resume(name: str, overrides: Sequence[str]) -> Plan:
    """An earlier run, with every value it used but for the overrides."""
    run = find_run(name)
    reading = read_resolved(run.resolved, overrides)
    if reading.recipe is not None:
        # The folder holds the run that is gone on with, which is no fault.
        reading.recipe = reading.recipe.model_copy(
            update={"output_dir": str(run.path), "resume_from_checkpoint": "latest"}
        )
    manifest = read_manifest(run)
    text = run.recipe.read_text(encoding="utf-8") if run.recipe.is_file() else ""
    given = [*manifest.get("overrides", []), *overrides]
    return Plan(check(reading), text, str(manifest.get("recipe_file", run.recipe)), given, resumed=run)


def refuse_what_cannot_train(plan: Plan) -> Engine:
    """The engine, or the one reason why this recipe does not train here."""
    recipe, name = plan.recipe, plan.recipe.engine
    if recipe.is_export:
        raise InputError(Finding("is an export recipe", "name a data set and rewards to train", file=plan.recipe_file))
    engine = load_engine(name)
    if engine is None:
        raise InputError(
            Finding(
                f"is {name}, which this version checks but cannot train",
                "use engine: trl",
                key="engine",
                file=plan.recipe_file,
            )
        )
    missing = missing_packages(ENGINES[name].packages)
    if missing:
        fix = f"install them: pip install 'grpoctl[{name}]'"
        problem = f"is {name}, and this Python lacks {', '.join(missing)}"
        raise InputError(Finding(problem, fix, key="engine", file=plan.recipe_file))
    for key, rows, names in (
        ("dataset", plan.found.rows, recipe.dataset),
        ("eval_dataset", plan.found.eval_rows, recipe.eval_dataset),
    ):
        if rows is None and names:
            problem = f"names {', '.join(names)}, which is not all on this machine"
            fix = "fetch it, and name its files in dataset_info.json"
            raise InputError(Finding(problem, fix, key=key, file=plan.recipe_file))
    return engine


def carry_out(plan: Plan, engine: Engine, screen: TextIO) -> tuple[RunDirectory, Outcome]:
    """Train, in this process or in several; whatever happens is in the run folder when this returns or raises."""
    run = plan.resumed or _new_folder(plan)
    with run.held(), narrating(run, screen):
        checkpoint = _prepare_folder(plan, run)
        command = engine.launch(run, plan.recipe)
        _log.info("run %s", run.path)
        if command is not None:
            return run, _in_processes(command, plan, run, checkpoint)
        return run, _in_this_process(plan, engine, run, checkpoint)


def work(run: RunDirectory) -> Outcome:
    """One of several processes of a run that `carry_out` prepared; the first of them writes."""
    reading = read_resolved(run.resolved, [])
    if reading.recipe is not None:
        reading.recipe = reading.recipe.model_copy(update={"resume_from_checkpoint": "latest"})
    plan = Plan(check(reading), "", str(run.recipe), [], resumed=run)
    first = os.environ.get("RANK", "0") == "0"
    checkpoint, _ = checkpoints.newest_whole(run)
    stop = StopRequest()
    with narrating(run, sys.stderr) if first else contextlib.nullcontext(), stop.listening():
        stream = _stream(run, plan.recipe, checkpoint) if first else Stream()
        engine = refuse_what_cannot_train(plan)
        job = _job(plan, run, stream, checkpoint, stop)
        manifest = read_manifest(run)
        launcher = int(manifest.get("process_id") or 0), manifest.get("process_started")
        # Signals reach the launcher alone, and a launcher that was killed cannot pass one on.
        job.stop_signal = lambda: stop() or _requested(run) or (None if is_running(*launcher) else int(signal.SIGTERM))
        try:
            return engine.train(job)
        finally:
            stream.close()


# --- folders


def _new_folder(plan: Plan) -> RunDirectory:
    given = plan.recipe.output_dir
    return RunDirectory(user_path(given)) if given else new_run_directory(Path(plan.recipe_file).stem)


def _prepare_folder(plan: Plan, run: RunDirectory) -> Path | None:
    """Write what the run is; for a resumed one, find where it goes on."""
    recipe = plan.recipe
    files = files_of((*recipe.dataset, *recipe.eval_dataset), user_path(recipe.dataset_dir))
    manifest = make_manifest(plan.recipe_file, plan.overrides, recipe.engine, ENGINES[recipe.engine].packages, files)
    checkpoint = None
    if plan.resumed is not None:
        earlier = read_manifest(run)
        _refuse_changed_data(earlier, files)
        manifest.started = earlier.get("started", manifest.started)
        manifest.resumed = [*earlier.get("resumed", []), datetime.now().astimezone().isoformat(timespec="seconds")]
        checkpoint = _where_to_go_on(recipe, run)
    elif recipe.overwrite_output_dir:
        run.clear()
    checkpoints.clear_incoming(run)
    run.stop_request.unlink(missing_ok=True)
    if plan.recipe_text and plan.resumed is None:
        write_whole(run.recipe, plan.recipe_text)
    write_json(run.resolved, recipe.model_dump(mode="json"))
    write_manifest(run, manifest)
    return checkpoint


def _refuse_changed_data(earlier: dict[str, Any], files: Sequence[Path]) -> None:
    before = {entry["file"]: entry["sha256"] for entry in earlier.get("data", [])}
    for path in files:
        if before.get(str(path), "") not in ("", sha256(path)):
            fix = "put the old file back, or start a new run"
            raise InputError(Finding("has changed since this run began", fix, file=str(path)))


def _where_to_go_on(recipe: Recipe, run: RunDirectory) -> Path | None:
    named = recipe.resume_from_checkpoint
    if named not in (None, "latest"):
        checkpoint = user_path(str(named))
        fault = checkpoints.fault_of(checkpoint)
        if fault is not None:
            raise InputError(Finding(fault, "name another, or true for the newest whole one", file=str(checkpoint)))
        return checkpoint
    newest, faults = checkpoints.newest_whole(run)
    for fault in faults:
        _log.warning("%s: %s; it is passed over.", run.path, fault)
    if newest is None:
        _log.info("%s: has no whole checkpoint, so the run starts again.", run.path)
    else:
        _log.info("going on from %s", newest.name)
    return newest


# --- carrying out


def _in_this_process(plan: Plan, engine: Engine, run: RunDirectory, checkpoint: Path | None) -> Outcome:
    stop = StopRequest()
    with stop.listening():
        stream = _stream(run, plan.recipe, checkpoint)
        try:
            _tell_start(stream, plan, checkpoint)
            outcome = engine.train(_job(plan, run, stream, checkpoint, stop))
            _tell_end(stream, outcome)
        except Exception as error:
            _tell_failure(stream, run, error)
            raise
        finally:
            stream.close()
    return outcome


def _in_processes(command: list[str], plan: Plan, run: RunDirectory, checkpoint: Path | None) -> Outcome:
    """Start the processes, pass stop requests on, and say how they ended."""
    process: subprocess.Popen[bytes] | None = None

    def end_all() -> None:
        for pid in [*descendants(process.pid), process.pid] if process is not None else []:
            _kill(pid)

    stop = StopRequest(at_once=end_all)
    stream = Stream([EventFile(run.events)])
    _tell_start(stream, plan, checkpoint)
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
        _tell_failure(stream, run, error)
        raise error
    outcome = Outcome(step, _max_steps(plan), stop())
    _tell_end(stream, outcome)
    return outcome


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _requested(run: RunDirectory) -> int | None:
    try:
        return int(run.stop_request.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _job(plan: Plan, run: RunDirectory, stream: Stream, checkpoint: Path | None, stop: StopRequest) -> TrainJob:
    recipe, found = plan.recipe, plan.found
    model = find_model(str(recipe.model_name_or_path), recipe.model_revision, recipe.cache_dir)
    if model is None:
        raise InputError(Finding("is not on this machine", "fetch it first", key="model_name_or_path"))
    rows = found.rows or []
    problems = [Problem(prompt, row) for prompt, row in zip(found.prompts, rows, strict=True)]
    problems, held = hold_back(problems, held_back(recipe, len(problems)), recipe.seed)
    if found.eval_rows:
        tokenizer = ChatTokenizer(find_tokenizer(recipe) or model)
        held = [
            Problem(tokenizer.render(messages_of(row, recipe), recipe.enable_thinking), row) for row in found.eval_rows
        ]
    return TrainJob(
        recipe, model, problems, held, Scorer(found.rewards), _max_steps(plan), run, stream, stop, checkpoint
    )


def _max_steps(plan: Plan) -> int:
    steps = plan.found.plan.steps if plan.found.plan is not None else None
    if steps is None:
        raise InputError(Finding("gives no number of steps", "set max_steps", key="max_steps", file=plan.recipe_file))
    return steps


def _stream(run: RunDirectory, recipe: Recipe, checkpoint: Path | None) -> Stream:
    stream = Stream([EventFile(run.events), Narrator(), PlotSink(run, loss=recipe.plot_loss)])
    if {"tensorboard", "all"} & set(recipe.report_to):
        stream.sinks.append(TensorBoardSink(run, purge_step=_step_of(checkpoint) or None))
    reached = _step_of(checkpoint)
    earlier = [event for event in lasting(read_events(run.events)[0]) if event.get("step", 0) <= reached]
    stream.sinks.append(Advisor(recipe, stream, earlier))
    return stream


def _step_of(checkpoint: Path | None) -> int:
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint is not None else 0


def _tell_start(stream: Stream, plan: Plan, checkpoint: Path | None) -> None:
    kind = ev.RUN_STARTED if plan.resumed is None else ev.RUN_RESUMED
    stream.tell(kind, step=_step_of(checkpoint), max_steps=_max_steps(plan))


def _tell_end(stream: Stream, outcome: Outcome) -> None:
    if outcome.stopped_by is None:
        stream.tell(ev.RUN_FINISHED, step=outcome.step, max_steps=outcome.max_steps)
    else:
        name = signal.Signals(outcome.stopped_by).name
        stream.tell(ev.RUN_STOPPED, step=outcome.step, max_steps=outcome.max_steps, signal=name)


def _tell_failure(stream: Stream, run: RunDirectory, error: Exception) -> None:
    said = str(error) if isinstance(error, GrpoctlError) else f"{type(error).__name__}: {error}"
    stream.tell(ev.RUN_FAILED, step=view_run(run).step, error=said)
    _log.info("failed: %s", said, exc_info=None if isinstance(error, GrpoctlError) else error)
