"""How is a planned run carried out: its folder, the place it goes on from, its end?"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from grpoctl import out_of_memory
from grpoctl.data.dataset_info import files_of
from grpoctl.digits.sets import files_of_digits
from grpoctl.engines.base import ENGINES, Engine, Outcome
from grpoctl.errors import Finding, InputError
from grpoctl.job import make_job, make_stream, tell_end, tell_failure, tell_start
from grpoctl.paths import user_path
from grpoctl.plan import Plan
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards import witness
from grpoctl.rewards.own import own_files
from grpoctl.run import checkpoints
from grpoctl.run.directory import RunDirectory, new_run_directory
from grpoctl.run.events import STEP, EventFile, Stream, read_events
from grpoctl.run.files import write_json, write_whole
from grpoctl.run.manifest import make_manifest, read_manifest, sha256, write_manifest
from grpoctl.run.stop import StopRequest
from grpoctl.run.stop_words import StopWords
from grpoctl.run.terminal import narrating
from grpoctl.workers import in_processes

_log = logging.getLogger(__name__)


def carry_out(plan: Plan, engine: Engine, screen: TextIO) -> tuple[RunDirectory, Outcome]:
    """Train, in this process or in several; whatever happens is in the run folder when this returns or raises."""
    if not engine.leads(plan.recipe):
        return _beside_the_leader(plan, engine, screen)
    run = plan.resumed or _new_folder(plan)
    with run.held(), narrating(run, screen), _as_it_was_where_nothing_was_trained(plan, run):
        checkpoint = _prepare_folder(plan, run)
        for finding in plan.found.warnings:  # which the screen has had already
            _log.warning("%s", finding, extra={"log_only": True})
        command = engine.launch(run, plan.recipe)
        _log.info("run %s", run.path)
        if command is not None:
            return run, _in_several(command, plan, run, checkpoint)
        return run, _in_this_process(plan, engine, run, checkpoint)


@contextmanager
def _as_it_was_where_nothing_was_trained(plan: Plan, run: RunDirectory) -> Iterator[None]:
    """A start that fails leaves the recipe of the run that it would go on with: its model is still that recipe's."""
    if plan.resumed is None:
        yield
        return
    kept = {path: path.read_text(encoding="utf-8") for path in (run.resolved, run.manifest) if path.is_file()}
    told = run.events.stat().st_size if run.events.is_file() else 0
    try:
        yield
    except Exception:
        trained = any(event["event"] == STEP for event in read_events(run.events, told)[0])
        if not trained and run.path.is_dir():
            for path, text in kept.items():
                write_whole(path, text)
        raise


def _beside_the_leader(plan: Plan, engine: Engine, screen: TextIO) -> tuple[RunDirectory, Outcome]:
    """On a host that only takes part: it writes no word, and is told by the first one where the run goes on."""
    run = plan.resumed or _new_folder(plan)
    print(f"taking part in {run.path}; the first host tells what happens.", file=screen, flush=True)
    command = engine.launch(run, plan.recipe)
    if command is not None:
        return run, in_processes(command, plan, run, leads=False)
    stop = StopRequest()
    with stop.listening(), out_of_memory.in_words(plan.found):
        return run, engine.train(make_job(plan, run, Stream([]), None, stop))


def _in_several(command: list[str], plan: Plan, run: RunDirectory, checkpoint: Path | None) -> Outcome:
    """The first of the processes tells of the steps, and this one of the start and the end."""
    stream = Stream([EventFile(run.events)])
    tell_start(stream, plan, checkpoint)
    try:
        outcome = in_processes(command, plan, run)
    except Exception as error:
        tell_failure(stream, run, error)
        raise
    tell_end(stream, run, outcome)
    return outcome


def _in_this_process(plan: Plan, engine: Engine, run: RunDirectory, checkpoint: Path | None) -> Outcome:
    stop = StopRequest(words=StopWords(run))
    with stop.listening(), witness.of_run(run.path):
        stream = make_stream(run, plan.recipe, checkpoint)
        try:
            tell_start(stream, plan, checkpoint)
            with out_of_memory.in_words(plan.found):
                outcome = engine.train(make_job(plan, run, stream, checkpoint, stop))
            tell_end(stream, run, outcome)
        except Exception as error:
            tell_failure(stream, run, error)
            raise
        finally:
            stream.close()
    return outcome


# --- folders


def _new_folder(plan: Plan) -> RunDirectory:
    given = plan.recipe.output_dir
    return RunDirectory(user_path(given)) if given else new_run_directory(Path(plan.recipe_file).stem)


def _prepare_folder(plan: Plan, run: RunDirectory) -> Path | None:
    """Write what the run is; for a resumed one, find where it goes on."""
    recipe = plan.recipe
    files = _data_files(recipe)
    packages = ENGINES[recipe.engine].packages
    own = own_files(use.use for use in recipe.reward_funcs)
    manifest = make_manifest(plan.recipe_file, plan.overrides, recipe.engine, packages, files, own)
    checkpoint = None
    if plan.resumed is not None:
        earlier = read_manifest(run)
        _refuse_changed_data(earlier, files)
        _tell_of_changed_rewards(earlier, own)
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


def _data_files(recipe: Recipe) -> list[Path]:
    files = files_of_digits if recipe.reads_pictures else files_of
    return files((*recipe.dataset, *recipe.eval_dataset), user_path(recipe.dataset_dir), recipe.cache_dir)


def _refuse_changed_data(earlier: dict[str, Any], files: Sequence[Path]) -> None:
    before = {entry["file"]: entry["sha256"] for entry in earlier.get("data", [])}
    for path in files:
        if before.get(str(path), "") not in ("", sha256(path)):
            fix = "put the old file back, or start a new run"
            raise InputError(Finding("has changed since this run began", fix, file=str(path)))


def _tell_of_changed_rewards(earlier: dict[str, Any], files: Sequence[Path]) -> None:
    """A reward that failed has to be mended, so a new one is no fault, but worth knowing."""
    before = {entry["file"]: entry["sha256"] for entry in earlier.get("rewards", [])}
    for path in files:
        if before.get(str(path), "") not in ("", sha256(path)):
            _log.warning("%s: has changed since this run began; steps from here on are scored by it.", path)


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
