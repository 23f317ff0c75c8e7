"""The engine of the first lesson: a small network learns digits by GRPO, or by PPO. This module loads no JAX."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from grpoctl.engines.base import Exported, Outcome, TrainJob, Unsupported
from grpoctl.errors import Finding, InputError

if TYPE_CHECKING:
    from grpoctl.evaluate import Sampler
    from grpoctl.recipe.schema import Recipe
    from grpoctl.run.directory import RunDirectory

_log = logging.getLogger(__name__)


class MlpEngine:
    """GRPO and PPO on pictures of digits, each answered by one of ten numbers."""

    def unsupported(self, recipe: "Recipe") -> Iterator[Unsupported]:
        from grpoctl.engines.mlp.translate import unsupported

        return unsupported(recipe)

    def launch(self, run: "RunDirectory", recipe: "Recipe") -> list[str] | None:
        return None

    def leads(self, recipe: "Recipe") -> bool:
        _prepare()
        return True

    def train(self, job: TrainJob) -> Outcome:
        _prepare()
        _log.info("loading JAX and the pictures …")
        from grpoctl.engines.mlp.train import train

        return train(job)

    def open(self, recipe: "Recipe", base: Path, trained: Path | None) -> "Sampler":
        _prepare()
        from grpoctl.engines.mlp.sampler import open_sampler

        return open_sampler(recipe, trained)

    def export(
        self, recipe: "Recipe", base: Path, trained: Path | None, folder: Path, *, adapter_only: bool = False
    ) -> Exported:
        problem = "is mlp, whose network no other library knows"
        raise InputError(Finding(problem, "its weights are in the run's model.safetensors", key="engine"))


def _prepare() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read as JAX is imported
    from grpoctl.engines.mlp.programs import settle
    from grpoctl.jax_devices import jax_devices

    settle()
    jax_devices()
