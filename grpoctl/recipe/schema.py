"""What is a recipe? Every key of every section, and the values that follow from others.

A key is one field with its docstring in one section of `keys/`; nothing else declares keys.
"""

from typing import Any

from grpoctl.recipe.keys.base import Keys
from grpoctl.recipe.keys.data import DataKeys
from grpoctl.recipe.keys.devices import DeviceKeys
from grpoctl.recipe.keys.evaluation import EvalKeys
from grpoctl.recipe.keys.grpo import GrpoKeys
from grpoctl.recipe.keys.model import AdapterKeys, ModelKeys
from grpoctl.recipe.keys.output import ExportKeys, OutputKeys
from grpoctl.recipe.keys.rollout import RolloutKeys
from grpoctl.recipe.keys.train import TrainKeys

# The order of the documentation.
SECTIONS: tuple[type[Keys], ...] = (
    GrpoKeys,
    ModelKeys,
    AdapterKeys,
    DataKeys,
    RolloutKeys,
    TrainKeys,
    OutputKeys,
    EvalKeys,
    DeviceKeys,
    ExportKeys,
)


class Recipe(
    GrpoKeys,
    ModelKeys,
    AdapterKeys,
    DataKeys,
    RolloutKeys,
    TrainKeys,
    OutputKeys,
    EvalKeys,
    DeviceKeys,
    ExportKeys,
):
    """A grpoctl recipe."""

    @property
    def is_export(self) -> bool:
        """A LLaMA-Factory export recipe names where to write and nothing to train on or with."""
        training = {"stage", "dataset", "reward_funcs", "num_generations", "do_train"}
        return self.export_dir is not None and training.isdisjoint(self.model_fields_set)

    @property
    def reads_pictures(self) -> bool:
        """A network of hidden_sizes looks at digits: no tokenizer, no tags, no rewards to name."""
        return self.hidden_sizes is not None

    @property
    def processes(self) -> int:
        """Of the TRL engine, on all machines."""
        return self.nproc_per_node * self.nnodes

    def resolved(self) -> "Recipe":
        """The same recipe with every derived value written out, as a run keeps it."""
        given = self.model_fields_set
        values: dict[str, Any] = {"engine": engine_of(self)}
        if self.lora_alpha is None:
            values["lora_alpha"] = 2 * self.lora_rank
        if self.epsilon_high is None:
            values["epsilon_high"] = self.epsilon
        # cutoff_len's own default is no wish of the user's, so it never shortens a max_prompt_length.
        if self.max_prompt_length is None:
            values["max_prompt_length"] = self.cutoff_len
        elif "cutoff_len" in given:
            values["max_prompt_length"] = min(self.max_prompt_length, self.cutoff_len)
        if self.remat is None:
            values["remat"] = "none" if self.disable_gradient_checkpointing else "full"
        if self.max_completion_length is None:
            values["max_completion_length"] = self.max_new_tokens or 512
        return self.model_copy(update=values)


def other_defaults(recipe: Recipe) -> dict[str, tuple[object, object]]:
    """Keys left out of a recipe whose default here differs from LLaMA-Factory's: ours and theirs."""
    differing: dict[str, tuple[object, object]] = {}
    resolved = recipe.resolved()
    for name, field in Recipe.model_fields.items():
        extra = field.json_schema_extra
        theirs = extra.get("llamafactory") if isinstance(extra, dict) else None
        unused = name.startswith("vllm_") and not recipe.use_vllm
        if theirs is not None and name not in recipe.model_fields_set and not unused:
            differing[name] = (getattr(resolved, name), theirs)
    return differing


def engine_of(recipe: Recipe) -> str:
    """The engine that `auto` stands for."""
    if recipe.engine != "auto":
        return recipe.engine
    if recipe.hidden_sizes is not None:
        return "mlp"
    return "maxtext" if is_maxtext_checkpoint(recipe.model_name_or_path) else "trl"


def is_maxtext_checkpoint(model: str | None) -> bool:
    """MaxText's parameters are an Orbax folder called `items`, usually in a bucket."""
    return model is not None and (model.startswith("gs://") or model.rstrip("/").endswith("/items"))
