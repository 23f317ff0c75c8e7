"""How many prompts make a step, and how many steps make the run?"""

import math
from dataclasses import dataclass, replace

from grpoctl.counted import counted
from grpoctl.recipe.schema import Recipe, engine_of


@dataclass(frozen=True)
class StepPlan:
    """The batch arithmetic of a run. `steps` is None where the number of rows is not known."""

    prompts_per_device: int
    accumulation: int
    devices: int
    num_generations: int
    steps: int | None

    @property
    def prompts(self) -> int:
        """Prompts a step."""
        return self.prompts_per_device * self.accumulation * self.devices

    @property
    def completions(self) -> int:
        """Completions a step."""
        return self.prompts * self.num_generations

    def in_words(self) -> str:
        steps = "as many steps as the data gives" if self.steps is None else counted(self.steps, "step")
        prompts, each = counted(self.prompts, "prompt"), counted(self.num_generations, "completion")
        return f"{prompts} x {each} = {counted(self.completions, 'completion')} a step, {steps}"


def plan_steps(recipe: Recipe, rows: int | None) -> StepPlan:
    """The arithmetic for a recipe on so many rows; an incomplete last step of an epoch is dropped, as TRL does."""
    # The JAX engines split prompts over the fsdp axis; tensor devices share one prompt's work.
    devices = recipe.processes if engine_of(recipe) == "trl" else recipe.mesh.fsdp
    plan = StepPlan(
        recipe.per_device_train_batch_size,
        recipe.gradient_accumulation_steps,
        devices,
        recipe.num_generations,
        recipe.max_steps if recipe.max_steps > 0 else None,
    )
    if plan.steps is not None or rows is None:
        return plan
    batches = (rows - held_back(recipe, rows)) // plan.prompts
    # transformers rounds a part of a step up
    return replace(plan, steps=math.ceil(recipe.num_train_epochs * batches * recipe.num_iterations))


def held_back(recipe: Recipe, rows: int) -> int:
    """Rows that val_size keeps from training: a share of them below 1, else a count."""
    return min(rows, int(rows * recipe.val_size) if recipe.val_size < 1 else int(recipe.val_size))
