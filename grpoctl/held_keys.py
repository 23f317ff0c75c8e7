"""Which keys may a resumed run not change, because its weights and its optimiser's state were made by them?"""

from collections.abc import Iterator
from typing import Any

from grpoctl.errors import Finding
from grpoctl.recipe.load import RecipeReading, read_resolved
from grpoctl.recipe.schema import Recipe
from grpoctl.run import checkpoints
from grpoctl.run.directory import RunDirectory
from grpoctl.run.view import view_run

# What a checkpoint is: of which engine, of which model, with which trained parts and which optimiser's state.
_ALWAYS = (
    "engine", "stage", "model_name_or_path", "tokenizer_name_or_path", "maxtext_model", "model_revision",
    "adapter_name_or_path", "hidden_sizes", "finetuning_type", "quantization_bit", "quantization_type",
    "double_quantization", "optim", "baseline", "deepspeed", "fsdp",
)  # fmt: skip
# Of a network, the answers drawn last are part of its state.
_OF_DIGITS = ("num_generations", "per_device_train_batch_size", "gradient_accumulation_steps")
_OF_LORA = ("lora_rank", "lora_alpha", "lora_target", "additional_target", "use_rslora", "use_dora")


def changed_ones(run: RunDirectory, reading: RecipeReading) -> list[Finding]:
    """A finding for each such key that the recipe has otherwise than the run; none where the run starts again."""
    before = read_resolved(run.resolved).recipe
    if reading.recipe is None or before is None or not _has_weights(run):
        return []
    return list(_findings(run, before.resolved(), reading.recipe.resolved(), reading))


def _has_weights(run: RunDirectory) -> bool:
    return bool(checkpoints.steps_of(run)) or view_run(run).status == "finished"


def _findings(run: RunDirectory, before: Recipe, now: Recipe, reading: RecipeReading) -> Iterator[Finding]:
    own = _OF_DIGITS if before.reads_pictures else () if before.finetuning_type == "full" else _OF_LORA
    keys = (*_ALWAYS, *own)
    wrong = [key for key in keys if getattr(before, key) != getattr(now, key)]
    if "engine" in wrong:  # what else follows from it would only confuse
        wrong = ["engine"]
    elif "finetuning_type" in wrong:
        wrong = [key for key in wrong if key not in _OF_LORA]
    for key in wrong:
        said = f"is {_shown(getattr(now, key))}, and {run.name} was trained with {_shown(getattr(before, key))}"
        yield reading.source.finding((key,), said, "leave it as it was, or start a new run")


def _shown(value: Any) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
