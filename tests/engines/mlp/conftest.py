"""Small trainings on generated digits."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("jax")
pytest.importorskip("flax")

from engines.conftest import NoPlots
from idx_files import write_idx

from grpoctl import job, training
from grpoctl.engines.mlp import train as session
from grpoctl.plan import plan_new, plan_resume, refuse_what_cannot_train
from grpoctl.run.directory import RunDirectory

SMALL = ("per_device_train_batch_size=50", "max_steps=10", "save_steps=5", "logging_steps=5", "learning_rate=0.003")


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx(tmp_path_factory.mktemp("idx"))


@pytest.fixture(scope="session")
def learned(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run that has learned all of them, to be read."""
    folder = tmp_path_factory.mktemp("learned") / "run"
    few = ("max_steps=150", "save_steps=150", "logging_steps=50", "learning_rate=0.001")
    data = (f"dataset={digits}", f"eval_dataset={digits}:test", f"output_dir={folder}")
    plan = plan_new("mnist_grpo", [*SMALL, *few, *data])
    return training.carry_out(plan, refuse_what_cannot_train(plan), io.StringIO())[0]


@pytest.fixture
def train(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunDirectory]:
    """Trains a shipped recipe in little, or goes on with a run, in this process."""
    monkeypatch.setattr(job, "PlotSink", NoPlots)
    monkeypatch.setattr(session, "draw_mistakes", lambda *_: None)  # which takes longer than a small training

    def run(
        *overrides: str, name: str = "run", recipe: str = "mnist_grpo", resume: RunDirectory | None = None
    ) -> RunDirectory:
        if resume is None:
            data = (f"dataset={digits}", f"eval_dataset={digits}:test", f"output_dir={tmp_path / name}")
            plan = plan_new(recipe, [*SMALL, *data, *overrides])
        else:
            plan = plan_resume(str(resume.path), list(overrides))
        assert plan.found.errors == []
        return training.carry_out(plan, refuse_what_cannot_train(plan), io.StringIO())[0]

    return run
