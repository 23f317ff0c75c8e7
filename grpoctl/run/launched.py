"""What does one of several processes know of the command that started it on this machine?"""

import json
import os
from typing import Any

from grpoctl.recipe.schema import Recipe
from grpoctl.run.process import is_running, start_time

_LAUNCHER, _RECIPE = "GRPOCTL_LAUNCHER", "GRPOCTL_LAUNCHED_RECIPE"

# What may differ between machines that train one run.
_OWN = ("node_rank", "output_dir", "overwrite_output_dir", "resume_from_checkpoint", "num_threads")


def environment(recipe: Recipe) -> dict[str, str]:
    """For the processes: who starts them, and the recipe that it has read."""
    values = {key: value for key, value in recipe.model_dump(mode="json").items() if key not in _OWN}
    return {_LAUNCHER: f"{os.getpid()} {start_time(os.getpid())}", _RECIPE: json.dumps(values)}


def recipe_here() -> dict[str, Any]:
    """The recipe of the command on this machine; empty where no command started this process."""
    values: dict[str, Any] = json.loads(os.environ.get(_RECIPE, "{}"))
    return values


def launcher_is_gone() -> bool:
    """Whether the command was killed, which passes no signal on."""
    pid, _, started = os.environ.get(_LAUNCHER, "").partition(" ")
    return bool(pid) and not is_running(int(pid), int(started) if started.isdigit() else None)
