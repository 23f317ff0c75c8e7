"""How does a run go on with another number of processes, and each step with as many prompts as before?"""

from collections.abc import Collection

from grpoctl.counted import counted
from grpoctl.recipe.load import RecipeReading
from grpoctl.recipe.schema import Recipe, engine_of


def keep_the_step(before: Recipe, reading: RecipeReading, given: Collection[str]) -> bool:
    """Rescale the accumulation of a recipe that has other processes than the run had, or add why that cannot be.

    Who gives the accumulation itself decides how many prompts a step has. False where nothing had to be done.
    """
    now = reading.recipe
    if now is None or engine_of(now) != "trl" or now.processes == before.processes:
        return False
    if now.deepspeed is not None and now.deepspeed != "z0":
        said = f"makes {now.processes} in all, and {now.deepspeed} has kept a state for each of {before.processes}"
        return _refuse(reading, said, "go on with as many, or start a new run")
    changed = now.gradient_accumulation_steps != before.gradient_accumulation_steps
    if changed or "gradient_accumulation_steps" in given:
        return False
    prompts = before.per_device_train_batch_size * before.gradient_accumulation_steps * before.processes
    each = now.per_device_train_batch_size * now.processes
    if prompts % each:
        of_each = counted(now.per_device_train_batch_size, "prompt")
        said = f"makes {now.processes} in all, which cannot share a step's {prompts} prompts by {of_each} at a time"
        smaller = [size for size in range(1, now.per_device_train_batch_size) if prompts % (size * now.processes) == 0]
        fix = f"add per_device_train_batch_size={smaller[-1]}" if smaller else "take a number that divides them"
        return _refuse(reading, said, f"{fix}, or set gradient_accumulation_steps for another number of prompts")
    reading.recipe = now.model_copy(update={"gradient_accumulation_steps": prompts // each})
    return True


def _refuse(reading: RecipeReading, said: str, fix: str) -> bool:
    reading.findings.append(reading.source.finding(("nproc_per_node",), said, fix))
    return True
