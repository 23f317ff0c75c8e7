"""Can the recipe run where it is: is its folder free, its engine installed, its hardware here?"""

import os

from grpoctl.engines.base import missing_packages
from grpoctl.machine import Machine
from grpoctl.paths import is_file, user_path
from grpoctl.preflight.result import Teller
from grpoctl.recipe.schema import Recipe


def check_output(recipe: Recipe, tell: Teller) -> None:
    """The run folder must be free, or the recipe must say what to do with what is in it."""
    if recipe.output_dir is None:
        return
    folder = user_path(recipe.output_dir)
    try:
        held = sorted(folder.iterdir()) if folder.exists() else []
        above = next(parent for parent in (folder, *folder.parents) if parent.exists())
    except NotADirectoryError:
        tell.error("output_dir", f"is {folder}, which is a file or below one", "name a folder")
        return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        tell.error("output_dir", f"cannot be used ({reason})", "name another folder")
        return
    if not above.is_dir():
        tell.error("output_dir", f"is {folder}, which is a file or below one", "name a folder")
    elif not os.access(above, os.W_OK | os.X_OK):
        tell.error("output_dir", f"is {folder}, and you may not write to {above}", "name another folder")
    elif held and not recipe.overwrite_output_dir and recipe.resume_from_checkpoint is None:
        tell.error(
            "output_dir",
            f"is {folder}, which holds something already",
            "name another folder, or add overwrite_output_dir: true",
        )


def check_engine(recipe: Recipe, machine: Machine, tell: Teller) -> None:
    """What this machine lacks: a warning, because the recipe may be for another one."""
    missing = missing_packages(recipe.engine)
    if missing:
        tell.warn(
            "engine",
            f"is {recipe.engine}, and this Python lacks {', '.join(missing)}",
            f"install them: pip install 'grpoctl[{'mnist' if recipe.engine == 'mlp' else recipe.engine}]'",
        )
    if recipe.engine == "trl" and not machine.gpus:
        for key in ("use_vllm", "quantization_bit", "fp16", "bf16"):
            if getattr(recipe, key):
                tell.warn(key, "is meant for a GPU, and none is here", "run it where there is one")
    if recipe.engine == "maxtext" and not machine.tpus:
        tell.warn("engine", "is maxtext, which is meant for TPUs, and none is here", "run it where there is one")
    named = recipe.deepspeed in (None, "z0", "z2", "z3", "z3-offload")
    if not named and not is_file(user_path(str(recipe.deepspeed))):
        tell.error(
            "deepspeed",
            f"is {recipe.deepspeed}, which is no file",
            "give a file, or use z0, z2, z3 or z3-offload",
        )
