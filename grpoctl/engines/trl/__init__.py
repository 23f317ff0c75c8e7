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


def _missing_layers(recipe: Recipe) -> Iterator[Unsupported]:
    """Names in lora_target that PEFT would look for in vain."""
    from grpoctl.model_files import find_base, layers_of

    if recipe.finetuning_type == "full" or recipe.lora_target == ("all",):
        return
    folder = find_base(recipe)
    # TRL reads the head's own weights, so adapters on it would not be trained.
    layers = {layer for layer in layers_of(folder) if not layer.endswith("lm_head")} if folder is not None else set()
    if not layers:
        return
    for word in recipe.lora_target:
        if word != "all" and not any(layer == word or layer.endswith(f".{word}") for layer in layers):
            known = ", ".join(sorted({layer.rpartition(".")[2] for layer in layers}))
            yield Unsupported("lora_target", f"names {word}, and this model's layers are {known}", "name some, or all")


class TrlEngine:
    """GRPO through TRL's trainer."""

    def unsupported(self, recipe: Recipe) -> Iterator[Unsupported]:
        from grpoctl.engines.trl.translate import unsupported

        yield from unsupported(recipe)
        yield from _missing_layers(recipe)

    def launch(self, run: RunDirectory, recipe: Recipe) -> list[str] | None:
        from grpoctl.engines.trl.translate import torchrun_command
        from grpoctl.recipe.environment import is_torchrun_forced

        return torchrun_command(recipe, run, forced=is_torchrun_forced())

    def leads(self, recipe: Recipe) -> bool:
        from grpoctl.engines.trl.places import refuse_more_processes_than_gpus, refuse_port_in_use

        refuse_more_processes_than_gpus(recipe)
        if recipe.node_rank == 0:
            refuse_port_in_use(recipe)
        return recipe.node_rank == 0

    def train(self, job: TrainJob) -> Outcome:
        _prepare()
        _log.info("loading PyTorch, TRL and the model …")
        from grpoctl.engines.trl.train import train

        return train(job)

    def open(self, recipe: Recipe, base: Path, trained: Path | None) -> "Sampler":
        _prepare()
        from grpoctl.engines.trl.sampler import open_sampler

        return open_sampler(recipe, base, trained)

    def export(
        self, recipe: Recipe, base: Path, trained: Path | None, folder: Path, *, adapter_only: bool = False
    ) -> Exported:
        _prepare()
        from grpoctl.engines.trl.export import export

        return export(recipe, base, trained, folder, adapter_only=adapter_only)


def _prepare() -> None:
    """What libraries read as they are loaded."""
    from grpoctl.machine import read_machine

    # Threads that spin while they wait cost nothing on an idle machine, and three times the step on a busy one.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if not read_machine().gpus:  # DeepSpeed, which TRL loads wherever it is installed, would tell of a search in vain
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
