"""The JAX engines: Tunix, with its own models or MaxText's, on CPUs, GPUs or TPUs. This module loads none of them."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from grpoctl.engines.base import Exported, Outcome, TrainJob, Unsupported

if TYPE_CHECKING:
    from grpoctl.evaluate import Sampler
    from grpoctl.recipe.schema import Recipe
    from grpoctl.run.directory import RunDirectory

_log = logging.getLogger(__name__)


class TunixEngine:
    """GRPO through Tunix's cluster and loss."""

    def unsupported(self, recipe: "Recipe") -> Iterator[Unsupported]:
        from grpoctl.engines.tunix.translate import unsupported

        yield from unsupported(recipe)
        yield from self._model_faults(recipe)

    def launch(self, run: "RunDirectory", recipe: "Recipe") -> list[str] | None:
        return None  # one process a host drives all of its devices

    def train(self, job: TrainJob) -> Outcome:
        _prepare(job.recipe)
        _log.info("loading JAX, Tunix and the model …")
        from grpoctl.engines.tunix.train import train

        return train(job)

    def open(self, recipe: "Recipe", base: Path, trained: Path | None) -> "Sampler":
        _prepare(recipe)
        from grpoctl.engines.tunix.sampler import open_sampler

        return open_sampler(recipe, base, trained)

    def export(
        self, recipe: "Recipe", base: Path, trained: Path | None, folder: Path, *, adapter_only: bool = False
    ) -> Exported:
        _prepare(recipe)
        from grpoctl.engines.tunix.export import export

        return export(recipe, base, trained, folder, adapter_only=adapter_only)

    def _model_faults(self, recipe: "Recipe") -> Iterator[Unsupported]:
        """What Tunix's model of this family would compute otherwise than the model was made."""
        from grpoctl.engines.tunix.families import faults_of
        from grpoctl.model_files import find_model
        from grpoctl.tokenizer_files import json_of

        folder = find_model(str(recipe.model_name_or_path), recipe.model_revision, recipe.cache_dir)
        config = json_of(folder / "config.json") if folder is not None else {}
        for problem, fix in faults_of(config) if config else ():
            yield Unsupported("model_name_or_path", problem, fix)


def _prepare(recipe: "Recipe") -> None:
    """What these libraries read from the environment as they are imported."""
    if recipe.use_vllm:
        os.environ.setdefault("SKIP_JAX_PRECOMPILE", "1")  # vLLM would compile every shape that it might meet
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
