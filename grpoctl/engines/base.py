"""Which engines are there, what does each need, and what does each do?"""

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from grpoctl.errors import Finding, InputError
from grpoctl.packages import missing_packages

# The table alone is what `grpoctl --help` and `doctor` read, without pydantic and what stands on it.
if TYPE_CHECKING:
    from grpoctl.data.problems import Problem
    from grpoctl.evaluate import Sampler
    from grpoctl.recipe.schema import Recipe
    from grpoctl.rewards.scoring import Scorer
    from grpoctl.run.directory import RunDirectory
    from grpoctl.run.events import Stream


@dataclass(frozen=True)
class EngineNeeds:
    """What an engine is and the packages it stands on; an extra installs them."""

    title: str
    packages: tuple[str, ...]
    implementation: str  # "module:Class"
    python: tuple[int, int] = (3, 11)
    parity: str | None = None  # the module that `grpoctl parity` asks
    study: str | None = None  # the module that `grpoctl study` asks
    extra: str | None = None  # what `pip install 'grpoctl[…]'` calls it, where that is not the engine's name
    install: str | None = None  # how it is installed, where pip alone does not do it

    def how_to_install(self, name: str) -> str:
        return self.install or f"install them: pip install 'grpoctl[{self.extra or name}]'"


ENGINES: dict[str, EngineNeeds] = {
    "trl": EngineNeeds(
        "PyTorch with TRL and PEFT, on CPU or GPU",
        ("torch", "transformers", "trl", "peft", "datasets"),
        implementation="grpoctl.engines.trl:TrlEngine",
        parity="grpoctl.engines.trl.parity",
    ),
    "tunix": EngineNeeds(
        "JAX with Tunix, on CPU or TPU",
        ("jax", "flax", "google-tunix", "qwix", "orbax-checkpoint"),
        implementation="grpoctl.engines.tunix:TunixEngine",
        parity="grpoctl.engines.tunix.parity",
    ),
    "maxtext": EngineNeeds(
        "MaxText's models under Tunix, on TPU",
        ("jax", "flax", "google-tunix", "qwix", "orbax-checkpoint", "maxtext"),
        python=(3, 12),
        install="make install-maxtext, in a checkout, makes an environment that has it",
        implementation="grpoctl.engines.tunix:TunixEngine",
    ),
    "mlp": EngineNeeds(
        "a small network on digits, on JAX",
        ("jax", "flax"),
        implementation="grpoctl.engines.mlp:MlpEngine",
        study="grpoctl.engines.mlp.study",
        extra="mnist",
    ),
}


@dataclass
class TrainJob:
    """All that an engine needs to train: the recipe, what it comes to, and where what happens goes."""

    recipe: "Recipe"
    model: Path
    problems: "list[Problem]"
    eval_problems: "list[Problem]"
    scorer: "Scorer"
    max_steps: int
    run: "RunDirectory"
    stream: "Stream"
    # The signal that asked the run to stop, or None; read between steps.
    stop_signal: Callable[[], int | None]
    checkpoint: Path | None = None
    # Told what this process is at, and in which step, where several train one run.
    on_phase: Callable[[str, int], None] = lambda phase, step: None


@dataclass(frozen=True)
class Outcome:
    """How a training ended, where it did not fail."""

    step: int
    max_steps: int
    stopped_by: int | None = None


@dataclass(frozen=True)
class Exported:
    """What an engine wrote as a model folder."""

    format: str  # "hf", or "peft" for adapters alone
    dtype: str
    parameters: int


@dataclass(frozen=True)
class Unsupported:
    """A key that an engine cannot honour, and what to do instead."""

    key: str
    problem: str
    fix: str


class Engine(Protocol):
    """What every engine does."""

    def unsupported(self, recipe: "Recipe") -> Iterator[Unsupported]:
        """Keys of the recipe that it cannot honour; nothing heavy is loaded."""
        ...

    def launch(self, run: "RunDirectory", recipe: "Recipe") -> list[str] | None:
        """The command that trains a prepared run in processes of its own, or None where this one does."""
        ...

    def leads(self, recipe: "Recipe") -> bool:
        """Whether this is the host that owns the run folder. Where several train one run, they meet here first; where
        the devices are not here that the recipe asks for, it ends here, before anything is written."""
        ...

    def train(self, job: TrainJob) -> Outcome: ...

    def open(self, recipe: "Recipe", base: Path, trained: Path | None) -> "Sampler":
        """A model to be asked: the base, with the adapters or the weights that a run trained, if any."""
        ...

    def export(
        self, recipe: "Recipe", base: Path, trained: Path | None, folder: Path, *, adapter_only: bool = False
    ) -> Exported:
        """Write that model into an empty folder, for plain transformers, or its adapters alone, for plain peft."""
        ...


def engine_for(name: str, file: str) -> Engine:
    """The engine of that name, or InputError where this Python has not what it stands on."""
    needs, fault = ENGINES[name], None
    missing = missing_packages(needs.packages)
    if sys.version_info < needs.python:
        version = ".".join(map(str, needs.python))
        fault = (f"is {name}, which needs Python {version}", needs.install or "run it where that is")
    elif missing:
        fault = (f"is {name}, and this Python lacks {', '.join(missing)}", needs.how_to_install(name))
    if fault is not None:
        raise InputError(Finding(*fault, key="engine", file=file))
    return load_engine(name)


def load_engine(name: str) -> Engine:
    module, _, attribute = ENGINES[name].implementation.partition(":")
    engine: Any = getattr(importlib.import_module(module), attribute)
    made: Engine = engine()
    return made
