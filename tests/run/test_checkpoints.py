"""A checkpoint is whole or is none, whatever was killed and when."""

import errno
from pathlib import Path

import pytest
from fake_run import make_run

from grpoctl.errors import GrpoctlError
from grpoctl.run.checkpoints import clear_incoming, fault_of, newest_whole, rotate, steps_of, writing
from grpoctl.run.directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return make_run(tmp_path / "r")


def save(run: RunDirectory, step: int, text: str = "weights") -> Path:
    with writing(run, step) as folder:
        (folder / "model.bin").write_text(f"{text} {step}")
        (folder / "deep").mkdir()
        (folder / "deep" / "state.bin").write_text("state")
    return run.checkpoint(step)


def test_a_checkpoint_appears_whole_and_sealed(run: RunDirectory) -> None:
    with writing(run, 5) as folder:
        (folder / "model.bin").write_text("weights")
        assert not run.checkpoint(5).exists()
    assert sorted(path.name for path in run.checkpoint(5).iterdir()) == ["model.bin", "seal.json"]
    assert fault_of(run.checkpoint(5)) is None
    assert not run.incoming.exists()


def test_one_changed_byte_is_found(run: RunDirectory) -> None:
    path = save(run, 5) / "model.bin"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    assert fault_of(run.checkpoint(5)) == "has a damaged model.bin"


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("model.bin", "weig", "has a damaged model.bin"),
        ("deep/state.bin", None, "lacks deep/state.bin"),
        ("seal.json", None, "was never finished"),
        ("seal.json", '{"model.bin": {"by', "has a damaged seal.json"),
        ("seal.json", "[]", "has a damaged seal.json"),
        ("seal.json", '{"model.bin": {}}', "has a damaged seal.json"),
    ],
)
def test_what_is_cut_or_missing_is_named(run: RunDirectory, name: str, text: str | None, fault: str) -> None:
    path = save(run, 5) / name
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    assert fault_of(run.checkpoint(5)) == fault


def test_the_newest_whole_one_is_taken_and_what_is_wrong_with_newer_ones_is_told(run: RunDirectory) -> None:
    for step in (5, 10, 15):
        save(run, step)
    (run.checkpoint(15) / "model.bin").write_text("")
    (run.checkpoint(10) / "seal.json").unlink()
    assert newest_whole(run) == (
        run.checkpoint(5),
        ["checkpoint-15 has a damaged model.bin", "checkpoint-10 was never finished"],
    )


def test_a_run_without_a_whole_one_has_none(run: RunDirectory) -> None:
    assert newest_whole(run) == (None, [])
    run.checkpoint(3).mkdir()
    assert newest_whole(run) == (None, ["checkpoint-3 was never finished"])


def test_steps_are_numbers_not_words(run: RunDirectory) -> None:
    for step in (5, 100, 20):
        save(run, step)
    (run.path / "checkpoint-best").mkdir()
    assert steps_of(run) == [5, 20, 100]


def test_what_a_kill_left_half_written_is_cleared_and_never_taken_for_a_checkpoint(run: RunDirectory) -> None:
    (run.incoming / "checkpoint-10").mkdir(parents=True)
    (run.incoming / "checkpoint-10" / "model.bin").write_text("half")
    assert newest_whole(run) == (None, [])
    save(run, 10)
    assert not run.incoming.exists()
    clear_incoming(run)  # with nothing there it is no fault either


def test_a_write_that_fails_is_one_line_and_leaves_the_older_ones(run: RunDirectory) -> None:
    save(run, 5)
    with pytest.raises(GrpoctlError) as raised, writing(run, 10) as folder:
        (folder / "model.bin").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(raised.value) == (
        f"{run.checkpoint(10)}: cannot be written ([Errno 28] No space left on device); "
        f"make room, then go on with grpoctl train --resume {run.name}."
    )
    assert newest_whole(run) == (run.checkpoint(5), [])
    assert not run.incoming.exists()


def test_ctrl_c_within_a_write_leaves_nothing_half_written(run: RunDirectory) -> None:
    save(run, 5, "old")
    with pytest.raises(KeyboardInterrupt), writing(run, 5):
        raise KeyboardInterrupt
    assert (run.checkpoint(5) / "model.bin").read_text() == "old 5"
    assert not run.incoming.exists()


def test_a_step_that_is_done_again_replaces_its_checkpoint(run: RunDirectory) -> None:
    save(run, 5, "old")
    (run.checkpoint(5) / "model.bin").write_text("damaged")
    save(run, 5, "new")
    assert (run.checkpoint(5) / "model.bin").read_text() == "new 5"
    assert fault_of(run.checkpoint(5)) is None


@pytest.mark.parametrize(("keep", "left"), [(None, [1, 2, 10]), (3, [1, 2, 10]), (2, [2, 10]), (1, [10])])
def test_rotation_deletes_the_oldest(run: RunDirectory, keep: int | None, left: list[int]) -> None:
    for step in (1, 2, 10):
        save(run, step)
    rotate(run, keep)
    assert steps_of(run) == left
    assert newest_whole(run) == (run.checkpoint(10), [])


def test_a_kill_in_the_middle_of_deleting_leaves_nothing_that_passes_for_whole(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2):
        save(run, step)
    monkeypatch.setattr("shutil.rmtree", lambda path, ignore_errors: None)  # it never came to that
    rotate(run, keep=1)
    assert fault_of(run.checkpoint(1)) == "was never finished"
