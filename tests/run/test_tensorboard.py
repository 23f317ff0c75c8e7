"""TensorBoard shows a run under our names and under the documents'."""

from pathlib import Path
from typing import Any

import pytest
from fake_run import greedy, make_run, step

from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Sink, Stream
from grpoctl.run.tensorboard import TensorBoardSink

pytest.importorskip("torch.utils.tensorboard")


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return make_run(tmp_path / "r")


def read(run: RunDirectory) -> dict[str, list[Any]]:
    """Every curve as TensorBoard reads it: its steps and values, which it keeps in single precision."""
    from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

    found = event_accumulator.EventAccumulator(str(run.tensorboard))
    found.Reload()
    return {
        tag: [(event.step, pytest.approx(event.value)) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def write(sink: Sink, *told: tuple[str, dict[str, Any]]) -> None:
    stream = Stream([sink])
    for kind, fields in told:
        stream.tell(kind, **fields)
    assert stream.sinks == [sink], "it failed and was dropped"


def test_every_number_of_a_step_has_its_name_and_the_documents_name(run: RunDirectory) -> None:
    sink = TensorBoardSink(run)
    metrics = {"reward": 1.1, "rewards/accuracy/mean": 0.9, "rewards/format/mean": 1.0, "kl": 0.02, "loss": -0.5}
    write(sink, step(7, **metrics, max_steps=80, epoch=0.5, note="x", flag=True), ("advice", {"step": 7, "text": "y"}))
    sink.close()
    assert {tag: points[0] for tag, points in read(run).items()} == {
        "reward": (7, 1.1),
        "reward/total": (7, 1.1),
        "rewards/accuracy/mean": (7, 0.9),
        "reward/accuracy": (7, 0.9),
        "rewards/format/mean": (7, 1.0),
        "reward/format": (7, 1.0),
        "kl": (7, 0.02),
        "loss/kl_divergence": (7, 0.02),
        "loss": (7, -0.5),
        "loss/policy_loss": (7, -0.5),
        "epoch": (7, 0.5),
    }


def test_a_kl_that_is_not_measured_has_no_curve(run: RunDirectory) -> None:
    sink = TensorBoardSink(run)
    write(sink, step(1, reward=1.0, kl=None))
    sink.close()
    assert set(read(run)) == {"reward", "reward/total"}


def test_a_greedy_eval_is_on_disk_at_once_and_others_are_not_taken_for_it(run: RunDirectory) -> None:
    sink = TensorBoardSink(run)
    kind, fields = greedy(5, 0.25)
    later = {**fields, "step": 10, "accuracy": 0.5}
    write(sink, (kind, fields), (kind, later), (kind, {**fields, "mode": "liberal", "accuracy": 0.9}))
    try:
        assert read(run) == {"eval/accuracy": [(5, 0.25), (10, 0.5)], "eval/format_accuracy": [(5, 1.0), (10, 1.0)]}
    finally:
        sink.close()


def test_an_eval_is_flushed_and_steps_are_left_to_the_writer(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.utils.tensorboard import SummaryWriter

    flushed: list[SummaryWriter] = []
    with monkeypatch.context() as patch:
        patch.setattr(SummaryWriter, "flush", lambda writer: flushed.append(writer))
        sink = TensorBoardSink(run)
        write(sink, step(1, reward=0.1), step(2, reward=0.2))
        assert flushed == []
        write(sink, greedy(2, 0.25))
        assert len(flushed) == 1
    sink.close()


def test_a_resume_takes_back_the_steps_that_it_does_anew(run: RunDirectory) -> None:
    first = TensorBoardSink(run)
    write(first, *(step(number, reward=0.1 * number) for number in (1, 2, 3)))
    first.close()
    second = TensorBoardSink(run, purge_step=3)
    write(second, step(3, reward=0.9))
    second.close()
    assert read(run)["reward"] == [(1, 0.1), (2, 0.2), (3, 0.9)]


def test_a_run_without_numbers_leaves_no_file(run: RunDirectory) -> None:
    sink = TensorBoardSink(run)
    write(sink, ("run_started", {"step": 0, "max_steps": 80}))
    sink.close()
    assert not run.tensorboard.exists()
