"""The engines that the contract is tested over, and small trainings on each."""

import gc
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engines.hooks import HOOKS, Hooks
from support import small

from grpoctl import job, training
from grpoctl.engines.base import ENGINES
from grpoctl.packages import missing_packages
from grpoctl.plan import plan_new, plan_resume, refuse_what_cannot_train
from grpoctl.run.directory import RunDirectory

# Before any test imports JAX, which looks for its devices once.
os.environ.setdefault("JAX_PLATFORMS", "cpu")


class NoPlots:
    """In place of a sink that takes longer than a small training."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def hear(self, event: object) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of JAX's programs that the tests of a session share, and that is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", params=sorted(HOOKS))
def engine(request: pytest.FixtureRequest) -> str:
    """Every engine that trains language models here, in turn."""
    name: str = request.param
    if missing := missing_packages(ENGINES[name].packages):
        pytest.skip(f"{name} lacks {', '.join(missing)}")
    return name


@pytest.fixture
def hooks(engine: str) -> Hooks:
    return HOOKS[engine]


def _freeze() -> None:
    """Tunix collects garbage twice a training, which need not go through all that is there to stay: half the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def train(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunDirectory]:
    """Trains the quickstart in little, or goes on with a run, in this process."""

    monkeypatch.setattr(job, "PlotSink", NoPlots)

    if engine == "tunix":
        _freeze()

    def run(*overrides: str, name: str = "run", resume: RunDirectory | None = None) -> RunDirectory:
        if resume is None:
            plan = plan_new("quickstart", [*small(engine), f"output_dir={tmp_path / name}", *overrides])
        else:
            plan = plan_resume(str(resume.path), list(overrides))
        assert plan.found.errors == []
        return training.carry_out(plan, refuse_what_cannot_train(plan), io.StringIO())[0]

    return run


@pytest.fixture(scope="session")
def _straight_runs() -> dict[tuple[str, ...], RunDirectory]:
    return {}


@pytest.fixture
def straight(
    engine: str,
    train: Callable[..., RunDirectory],
    tmp_path: Path,
    _straight_runs: dict[tuple[str, ...], RunDirectory],
) -> Callable[..., RunDirectory]:
    """A run that nothing disturbed, to be read and not written to: one for all tests that compare with it."""

    def run(*overrides: str) -> RunDirectory:
        key = (engine, *overrides)
        if key not in _straight_runs:
            _straight_runs[key] = train(*overrides, name="straight")
        return _straight_runs[key]

    return run
