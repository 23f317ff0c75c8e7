"""The JAX engines: Tunix, with its own models or MaxText's, on CPUs, GPUs or TPUs. This module loads none of them."""

import asyncio
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from grpoctl.engines.base import Exported, Outcome, TrainJob, Unsupported
from grpoctl.engines.tunix.lean import leanly
from grpoctl.errors import Finding, InputError

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

    def leads(self, recipe: "Recipe") -> bool:
        _prepare(recipe)
        with leanly():
            from grpoctl.engines.tunix import devices, hosts

        if not recipe.skip_jax_distributed_system:
            hosts.join(recipe.ddp_timeout)
        devices.refuse_too_few(recipe)
        return hosts.leads()

    def train(self, job: TrainJob) -> Outcome:
        _prepare(job.recipe)
        _log.info("loading JAX, Tunix and the model …")
        with leanly():
            from grpoctl.engines.tunix.train import train

        return train(job)

    def open(self, recipe: "Recipe", base: Path, trained: Path | None) -> "Sampler":
        _prepare(recipe)
        with leanly():
            from grpoctl.engines.tunix.sampler import open_sampler

        return open_sampler(recipe, base, trained)

    def export(
        self, recipe: "Recipe", base: Path, trained: Path | None, folder: Path, *, adapter_only: bool = False
    ) -> Exported:
        _prepare(recipe)
        with leanly():
            from grpoctl.engines.tunix.export import export

        return export(recipe, base, trained, folder, adapter_only=adapter_only)

    def _model_faults(self, recipe: "Recipe") -> Iterator[Unsupported]:
        """What Tunix's model of this family would compute otherwise than the model was made."""
        from grpoctl.engines.tunix.families import ALL_LINEAR, faults_of
        from grpoctl.engines.tunix.maxtext_arguments import maxtext_faults
        from grpoctl.model_files import find_base
        from grpoctl.tokenizer_files import json_of

        folder = find_base(recipe)
        config = json_of(folder / "config.json") if folder is not None else {}
        faults = maxtext_faults if recipe.engine == "maxtext" else faults_of
        for problem, fix in faults(config) if config else ():
            yield Unsupported("model_name_or_path", problem, fix)
        for word in recipe.lora_target if recipe.finetuning_type == "lora" else ():
            if word != "all" and word.rpartition(".")[2] not in ALL_LINEAR:
                problem = f"names {word}, and the layers are {', '.join(ALL_LINEAR)}"
                yield Unsupported("lora_target", problem, "name some of these, or all")


def _prepare(recipe: "Recipe") -> None:
    """What these libraries read from the environment as they are imported."""
    if recipe.use_vllm:
        os.environ.setdefault("SKIP_JAX_PRECOMPILE", "1")  # vLLM would compile every shape that it might meet
        _let_vllm_wait()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault(
        "TRANSFORMERS_NO_ADVISORY_WARNINGS", "1"
    )  # that there is no PyTorch, which nothing here needs


def _let_vllm_wait() -> None:
    """vLLM waits on an event loop of its own, which one that runs already (a notebook's) does not allow."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    try:
        import nest_asyncio
    except ImportError:
        problem = "is true, and an event loop runs here already"
        raise InputError(
            Finding(problem, "install nest_asyncio, or start grpoctl from a shell", key="use_vllm")
        ) from None
    nest_asyncio.apply()
