"""Small trainings that several test modules share."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("trl")

from support import SMALL

from grpoctl import job, training
from grpoctl.plan import plan_new, plan_resume, refuse_what_cannot_train
from grpoctl.run.directory import RunDirectory


class NoPlots:
    """In place of a sink that takes longer than a small training."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def hear(self, event: object) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunDirectory]:
    """Trains the quickstart in little, or goes on with a run, in this process."""

    monkeypatch.setattr(job, "PlotSink", NoPlots)

    def run(*overrides: str, name: str = "run", resume: RunDirectory | None = None) -> RunDirectory:
        if resume is None:
            plan = plan_new("quickstart", [*SMALL, f"output_dir={tmp_path / name}", *overrides])
        else:
            plan = plan_resume(str(resume.path), list(overrides))
        assert plan.found.errors == []
        return training.carry_out(plan, refuse_what_cannot_train(plan), io.StringIO())[0]

    return run
