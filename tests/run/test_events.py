"""The event stream survives what happens to it: failing listeners, cut lines, resumes."""

import io
import json
import shutil
from pathlib import Path

import pytest
from fake_run import make_run, step

from grpoctl.errors import GrpoctlError
from grpoctl.run import checkpoints
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Event, EventFile, Stream, lasting, read_events


class Listener:
    """Keeps what it hears, and fails when it is told to."""

    def __init__(self, fails: bool = False) -> None:
        self.heard: list[Event] = []
        self.fails = fails

    def hear(self, event: Event) -> None:
        self.heard.append(event)
        if self.fails:
            raise OSError("no route to host")

    def close(self) -> None:
        if self.fails:
            raise OSError("no route to host")


def kinds(path: Path) -> list[str]:
    return [event["event"] for event in read_events(path)[0]]


def test_an_event_is_there_as_soon_as_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    stream = Stream([EventFile(path)])
    stream.tell("step_logged", step=1, reward=0.5)
    event = json.loads(path.read_text())
    assert isinstance(event.pop("time"), float)
    assert event == {"event": "step_logged", "step": 1, "reward": 0.5}


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    Stream([EventFile(path)]).tell("x", a=float("nan"), b=[float("inf"), 1.5], c={"d": float("-inf")})
    [event] = read_events(path)[0]
    assert (event["a"], event["b"], event["c"]) == (None, [None, 1.5], {"d": None})


def test_a_failing_sink_is_told_no_more_and_the_run_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    broken, well = Listener(fails=True), Listener()
    stream = Stream([broken, well])
    stream.tell("a")
    stream.tell("b")
    assert ([e["event"] for e in broken.heard], [e["event"] for e in well.heard]) == (["a"], ["a", "b"])
    assert caplog.messages == ["Listener fails (no route to host); the run goes on without it."]


def test_a_sink_that_fails_at_its_end_leaves_the_others_their_end(caplog: pytest.LogCaptureFixture) -> None:
    closed = []

    class Closing(Listener):
        def close(self) -> None:
            closed.append(True)

    Stream([Listener(fails=True), Closing()]).close()
    assert closed == [True]
    assert "fails at its end" in caplog.text


def test_the_file_is_tried_again_after_it_failed(tmp_path: Path) -> None:
    path = tmp_path / "later" / "events.jsonl"
    stream = Stream([EventFile(path)])
    stream.tell("lost")
    path.parent.mkdir()
    stream.tell("kept")
    assert kinds(path) == ["kept"]


def test_a_line_cut_short_by_a_kill_costs_that_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "a", "time": 1}\n{"event": "cut", "ti')
    Stream([EventFile(path)]).tell("b")
    assert kinds(path) == ["a", "b"]


def test_a_line_that_the_disk_had_no_room_for_costs_that_line_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real_open = tmp_path / "events.jsonl", Path.open

    class FullDisk(io.StringIO):
        def write(self, text: str) -> int:
            with real_open(path, "a") as stream:
                stream.write(text[:10])
            raise OSError("No space left on device")

    stream = Stream([EventFile(path)])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *args, **named: FullDisk())
        stream.tell("lost")
    stream.tell("kept")
    assert kinds(path) == ["kept"]


def test_lines_that_are_no_events_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'\xff\xfe\n[1]\n{"event": 3}\nnull\n{}\n\n{"event": "a"}\n' + b"[" * 10_000 + b"\n")
    assert kinds(path) == ["a"]


def test_a_reader_goes_on_where_it_stood_and_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert read_events(path) == ([], 0)
    path.write_text('{"event": "a"}\n{"event": "b"')
    found, offset = read_events(path)
    assert (found, offset) == ([{"event": "a"}], 15)
    with path.open("a") as stream:
        stream.write('}\n{"event": "c"}\n')
    assert [event["event"] for event in read_events(path, offset)[0]] == ["b", "c"]


def test_a_resume_undoes_what_came_behind_its_checkpoint(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "r",
        ("run_started", {"step": 0, "max_steps": 4}),
        step(1),
        step(2),
        ("checkpoint_saved", {"step": 2}),
        step(3),
        ("run_stopped", {"step": 3}),
        ("run_resumed", {"step": 2}),
        step(3),
    )
    found = [(event["event"], event["step"]) for event in lasting(read_events(run.events)[0])]
    assert found == [
        ("run_started", 0),
        ("step_logged", 1),
        ("step_logged", 2),
        ("checkpoint_saved", 2),
        ("run_resumed", 2),
        ("step_logged", 3),
    ]


def test_a_resume_takes_back_the_end_also_where_nothing_came_behind_its_checkpoint() -> None:
    told = [("run_started", 0), ("step_logged", 2), ("run_stopped", 2), ("run_resumed", 2)]
    kept = lasting([{"event": kind, "step": number} for kind, number in told])
    assert [event["event"] for event in kept] == ["run_started", "step_logged", "run_resumed"]


def _kinds(*told: tuple[str, int]) -> list[str]:
    return [event["event"] for event in lasting([{"event": kind, "step": number} for kind, number in told])]


def test_a_finished_run_whose_resume_failed_before_anything_came_of_it_is_finished_as_before() -> None:
    finished = [("run_started", 0), ("step_logged", 2), ("run_finished", 2)]
    failed = [("run_resumed", 2), ("run_failed", 2)]
    assert _kinds(*finished, *failed) == ["run_started", "step_logged", "run_finished"]
    assert _kinds(*finished, *failed, *failed) == ["run_started", "step_logged", "run_finished"]
    learned = [("run_resumed", 2), ("step_logged", 3), ("run_failed", 3)]
    assert _kinds(*finished, *learned)[-1] == "run_failed"
    stopped = [("run_started", 0), ("step_logged", 2), ("run_stopped", 2)]
    assert _kinds(*stopped, *failed)[-1] == "run_failed"


def test_a_folder_that_is_gone_ends_the_run_with_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    stream = Stream([EventFile(folder / "events.jsonl")])
    stream.tell("step_logged", step=1)
    shutil.rmtree(folder)
    with pytest.raises(GrpoctlError, match=rf"^{folder}: was deleted while its run went on, so the run ends; start it"):
        stream.tell("step_logged", step=2)
    with pytest.raises(GrpoctlError, match="was deleted"), checkpoints.writing(RunDirectory(folder), 2):
        pass
    assert not folder.exists()
