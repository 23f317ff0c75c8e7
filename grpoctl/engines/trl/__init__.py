"""The TRL engine: PyTorch, TRL and PEFT, on a CPU, one GPU or many. This module loads none of them."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from grpoctl.engines.base import Exported, Outcome, TrainJob, Unsupported
from grpoctl.recipe.schema import Recipe
from grpoctl.run.directory import RunDirectory

if TYPE_CHECKING:
    from grpoctl.evaluate import Sampler

_log = logging.getLogger(__name__)


class TrlEngine:
    """GRPO through TRL's trainer."""

    def unsupported(self, recipe: Recipe) -> Iterator[Unsupported]:
        from grpoctl.engines.trl.translate import unsupported

        return unsupported(recipe)

    def launch(self, run: RunDirectory, recipe: Recipe) -> list[str] | None:
        from grpoctl.engines.trl.translate import torchrun_command

        return torchrun_command(recipe, run)

    def leads(self, recipe: Recipe) -> bool:
        return True

    def train(self, job: TrainJob) -> Outcome:
        # Threads that spin while they wait cost nothing on an idle machine, and three times the step on a busy one. The
        # library that has them reads this as torch loads it.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")

        _log.info("loading PyTorch, TRL and the model …")
        from grpoctl.engines.trl.train import train

        return train(job)

    def open(self, recipe: Recipe, base: Path, trained: Path | None) -> "Sampler":
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        from grpoctl.engines.trl.sampler import open_sampler

        return open_sampler(recipe, base, trained)

    def export(
        self, recipe: Recipe, base: Path, trained: Path | None, folder: Path, *, adapter_only: bool = False
    ) -> Exported:
        from grpoctl.engines.trl.export import export

        return export(recipe, base, trained, folder, adapter_only=adapter_only)
