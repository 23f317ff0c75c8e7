"""The TRL engine: PyTorch, TRL and PEFT, on a CPU, one GPU or many. This module loads none of them."""

from collections.abc import Iterator

from grpoctl.engines.base import Outcome, TrainJob, Unsupported
from grpoctl.recipe.schema import Recipe
from grpoctl.run.directory import RunDirectory


class TrlEngine:
    """GRPO through TRL's trainer."""

    def unsupported(self, recipe: Recipe) -> Iterator[Unsupported]:
        from grpoctl.engines.trl.translate import unsupported

        return unsupported(recipe)

    def launch(self, run: RunDirectory, recipe: Recipe) -> list[str] | None:
        from grpoctl.engines.trl.translate import torchrun_command

        return torchrun_command(recipe, run)

    def train(self, job: TrainJob) -> Outcome:
        from grpoctl.engines.trl.train import train

        return train(job)
