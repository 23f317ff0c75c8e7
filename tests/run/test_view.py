"""How a run stands, read from its folder alone."""

import json
from pathlib import Path

import pytest
from fake_run import GONE, Told, greedy, make_run, step, this_process

from grpoctl.run.events import EventFile, Stream
from grpoctl.run.view import view_run

STARTED: Told = ("run_started", {"step": 0, "max_steps": 4})
FINISHED: Told = ("run_finished", {"step": 4})
RESUMED: Told = ("run_resumed", {"step": 4, "max_steps": 8})
FAILED: Told = ("run_failed", {"step": 4, "error": "out of memory"})


@pytest.mark.parametrize(
    ("told", "alive", "status"),
    [
        ([], True, "queued"),
        ([], False, "dead"),
        ([STARTED, step(1)], True, "running"),
        ([STARTED, step(1)], False, "dead"),
        ([STARTED, ("run_finished", {"step": 4})], False, "finished"),
        ([STARTED, ("run_finished", {"step": 4})], True, "finished"),  # it has yet to leave
        ([STARTED, ("run_failed", {"step": 1, "error": "out of memory"})], False, "failed"),
        ([STARTED, ("run_stopped", {"step": 1})], False, "stopped"),
        ([STARTED, FINISHED, RESUMED, FAILED], False, "finished"),  # nothing came of it
        ([STARTED, FINISHED, RESUMED, step(5), FAILED], False, "failed"),
        ([STARTED, ("run_stopped", {"step": 1}), ("run_resumed", {"step": 1})], True, "running"),
        ([STARTED, ("run_stopped", {"step": 1}), ("run_resumed", {"step": 1})], False, "dead"),
    ],
)
def test_status(told: list[Told], alive: bool, status: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", *told, process=this_process() if alive else GONE)
    assert view_run(run).status == status


def test_a_run_shows_its_newest_step_every_eval_and_its_advice(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "r",
        STARTED,
        greedy(0, 0.2),
        step(1, reward=0.25, kl=None),
        step(2, reward=0.5, kl=None),
        ("advice", {"step": 2, "kind": "flat", "text": "raise num_generations"}),
        ("checkpoint_saved", {"step": 2}),
        greedy(2, 0.4),
    )
    view = view_run(run)
    assert (view.step, view.max_steps, view.checkpoint) == (2, 4, 2)
    assert view.metrics == {"reward": 0.5, "kl": None}
    assert [(done["step"], done["accuracy"]) for done in view.evals] == [(0, 0.2), (2, 0.4)]
    assert view.advice == [{"step": 2, "kind": "flat", "text": "raise num_generations"}]


def test_a_resume_undoes_later_steps_and_the_error(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "r",
        STARTED,
        step(2, reward=0.5),
        ("checkpoint_saved", {"step": 2}),
        step(3, reward=0.75),
        greedy(3, 0.9),
        ("run_failed", {"step": 3, "error": "out of memory"}),
        ("run_resumed", {"step": 2, "max_steps": 8}),
        process=this_process(),
    )
    view = view_run(run)
    assert (view.status, view.step, view.max_steps, view.error) == ("running", 2, 8, None)
    assert (view.metrics, view.evals, view.checkpoint) == ({"reward": 0.5}, [], 2)


def test_a_resume_that_names_no_new_end_keeps_the_old_one(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", STARTED, ("run_stopped", {"step": 2}), ("run_resumed", {"step": 2}))
    assert view_run(run).max_steps == 4


def test_a_failed_run_keeps_its_error(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", STARTED, ("run_failed", {"step": 3, "error": "out of memory"}))
    assert (view_run(run).step, view_run(run).error) == (3, "out of memory")


def test_a_run_that_ends_while_it_is_looked_at_is_not_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "r", STARTED)

    def ends_now(pid: int, started: int | None) -> bool:
        Stream([EventFile(run.events)]).tell("run_finished", step=4)
        return False

    monkeypatch.setattr("grpoctl.run.view.is_running", ends_now)
    assert view_run(run).status == "finished"


def test_a_damaged_manifest_leaves_what_the_events_say(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", STARTED, step(1, reward=0.5))
    run.manifest.write_text("{")
    view = view_run(run)
    assert (view.status, view.step, view.manifest) == ("dead", 1, {})


def test_json_holds_what_scripts_rely_on(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", STARTED, step(1, reward=0.5))
    assert json.loads(json.dumps(view_run(run).as_json())) == {
        "run": str(run.path),
        "status": "dead",
        "step": 1,
        "max_steps": 4,
        "metrics": {"reward": 0.5},
        "evals": [],
        "advice": [],
        "error": None,
        "checkpoint": None,
        "started": "2026-11-24T17:50:09+00:00",
        "engine": "trl",
        "process_id": GONE[0],
    }
