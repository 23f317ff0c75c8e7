"""What does a run write, and when?"""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from grpoctl.recipe.keys.base import Keys, Switch, Word, key, split

Sinks = Annotated[
    tuple[Literal["none", "tensorboard", "wandb", "trackio", "swanlab", "mlflow", "all"], ...],
    BeforeValidator(split, json_schema_input_type=str | list[str]),
]


def _resume(value: object) -> object:
    """transformers' true and false."""
    return {True: "latest", False: None}[value] if isinstance(value, bool) else value


class OutputKeys(Keys):
    """Run folder, logs and checkpoints"""

    output_dir: Word | None = key(None)
    """The run folder. Left out: a new folder below saves/ for each run."""

    overwrite_output_dir: Switch = key(False)
    """Allow a run folder that holds a finished run already; its files are replaced."""

    resume_from_checkpoint: Annotated[
        Word | None, BeforeValidator(_resume, json_schema_input_type=str | bool | None)
    ] = key(None)
    """A checkpoint folder to go on from, or true for the newest of the run folder."""

    logging_steps: int = key(1, ge=1, le=1_000_000_000, llamafactory=500)
    """Steps between two lines of metrics. A GRPO step takes long enough for a line each."""

    save_steps: int = key(500, ge=1, le=1_000_000_000)
    """Steps between two checkpoints."""

    save_total_limit: int | None = key(None, ge=1, le=1_000_000)
    """Checkpoints kept; older ones are deleted."""

    save_only_model: Switch = key(False)
    """Leave the optimiser out of checkpoints: smaller, and no exact resume."""

    report_to: Sinks = key(("none",), min_length=1)
    """Where metrics go beside the run folder: tensorboard, wandb, trackio, swanlab, mlflow, all or none."""

    run_name: Word | None = key(None)
    """Name of the run there."""

    plot_loss: Switch = key(False)
    """Write the loss curve as a picture too."""


class ExportKeys(Keys):
    """Export"""

    export_dir: Word | None = key(None)
    """Folder for the exported model. A recipe with this key and no dataset is an export recipe."""

    export_size: int = key(5, ge=1, le=1_000_000)
    """Gigabytes a weight file holds at most."""

    export_device: Literal["cpu", "auto"] = key("cpu")
    """Where adapters are merged."""

    export_hub_model_id: Word | None = key(None)
    """Repository on the Hugging Face hub to push the export to."""
