"""Can the recipe run where it is: is its folder free, its engine installed, its hardware here?"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from grpoctl.counted import counted
from grpoctl.engines.base import ENGINES, load_engine
from grpoctl.machine import Machine
from grpoctl.model_files import is_remote
from grpoctl.packages import missing_packages
from grpoctl.paths import is_file, is_folder, user_path
from grpoctl.preflight.result import Teller
from grpoctl.preflight.vllm import vllm_fault
from grpoctl.recipe.schema import Recipe
from grpoctl.secret_values import secrets_in


def check_output(recipe: Recipe, tell: Teller) -> None:
    """The run folder must be free, or the recipe must say what to do with what is in it."""
    if recipe.output_dir is None or recipe.node_rank > 0:  # machine 0 makes the folder, maybe already
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
    elif not _may_write(above):
        tell.error("output_dir", f"is {folder}, and you may not write to {above}", "name another folder")
    elif held and not recipe.overwrite_output_dir and recipe.resume_from_checkpoint is None:
        tell.error(
            "output_dir",
            f"is {folder}, which holds something already",
            "name another folder, or add overwrite_output_dir: true",
        )


def _may_write(folder: Path) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=effective)


def check_engine(recipe: Recipe, machine: Machine, tell: Teller) -> None:
    """What this machine lacks: a warning, because the recipe may be for another one."""
    needs = ENGINES[recipe.engine]
    missing = missing_packages(needs.packages)
    if sys.version_info < needs.python:
        version = ".".join(map(str, needs.python))
        fix = needs.install or "run it where that is"
        tell.warn("engine", f"is {recipe.engine}, which needs Python {version}", fix)
    elif missing:
        lacks = f"is {recipe.engine}, and this Python lacks {', '.join(missing)}"
        tell.warn("engine", lacks, needs.how_to_install(recipe.engine))
    engine = load_engine(recipe.engine)
    for refused in engine.unsupported(recipe):
        tell.error(refused.key, refused.problem, refused.fix)
    for key, package in packages_asked_for(recipe):
        if missing_packages((package,)):
            tell.warn(key, f"needs {package}, which is not installed here", f"install it: pip install {package}")
    if fault := vllm_fault(recipe):
        tell.warn("use_vllm", *fault)
    if recipe.engine == "trl":
        _check_gpus(recipe, machine, tell)
    if recipe.engine in ("tunix", "maxtext"):
        _check_mesh(recipe, machine, tell)
    if recipe.engine == "maxtext" and not machine.tpus:
        tell.warn(
            "model_name_or_path",
            "is meant for TPUs under engine maxtext, and none is here",
            "run it where there is one",
        )


def _check_gpus(recipe: Recipe, machine: Machine, tell: Teller) -> None:
    if not machine.gpus:
        for key in ("use_vllm", "quantization_bit", "fp16", "bf16", "fsdp"):
            if getattr(recipe, key):
                tell.warn(key, "is meant for a GPU, and none is here", "run it where there is one")
    devices = counted(len(machine.gpus), "GPU") if machine.gpus else counted(machine.cpu_count, "core")
    if recipe.nproc_per_node > (len(machine.gpus) or machine.cpu_count):
        said = f"is {recipe.nproc_per_node}, and this machine has {devices}"
        tell.warn("nproc_per_node", said, "run it where there are more, or lower it")


def _check_mesh(recipe: Recipe, machine: Machine, tell: Teller) -> None:
    """Several hosts have devices that this one cannot see."""
    rollout = recipe.rollout_mesh
    asked = recipe.mesh.fsdp * recipe.mesh.tensor + (rollout.fsdp * rollout.tensor if rollout is not None else 0)
    here = machine.tpus or len(machine.gpus) or _simulated_devices()
    if asked > here and recipe.skip_jax_distributed_system:
        key, whose = ("mesh", "") if rollout is None else ("rollout_mesh", ", with those of mesh")
        said = f"asks for {asked} devices{whose}, and this machine has {here}"
        tell.warn(key, said, "run it where there are more, or ask for fewer")


def _simulated_devices() -> int:
    """A CPU is one device to JAX, unless the environment says that it is several."""
    found = re.search(r"xla_force_host_platform_device_count=(\d+)", os.environ.get("XLA_FLAGS", ""))
    said = found[1] if found else os.environ.get("JAX_NUM_CPU_DEVICES", "")
    return int(said) if said.isdigit() and int(said) > 0 else 1


def check_paths(recipe: Recipe, tell: Teller) -> None:
    """Files and folders that the recipe names beside its model and data."""
    if recipe.deepspeed not in (None, "z0", "z2", "z3", "z3-offload") and not is_file(user_path(str(recipe.deepspeed))):
        said = f"is {recipe.deepspeed}, which is no file"
        tell.error("deepspeed", said, "give a file, or use z0, z2, z3 or z3-offload")
    for adapter in recipe.adapter_name_or_path:
        if not is_remote(adapter) and not is_folder(user_path(adapter)):
            tell.error("adapter_name_or_path", f"names {adapter}, and no such folder is here", "check the path")
    resumed = recipe.resume_from_checkpoint
    if resumed not in (None, "latest") and not is_folder(user_path(str(resumed))):
        tell.error("resume_from_checkpoint", f"is {resumed}, and no such folder is here", "check the path")
    elif resumed not in (None, "latest") and not _holds_a_run(recipe.output_dir):
        said = f"is {resumed}, and output_dir holds no run to go on with"
        tell.error("resume_from_checkpoint", said, f"set output_dir: {user_path(str(resumed)).parent}")
    for key in ("output_dir", "model_name_or_path", "dataset_dir", "adapter_name_or_path", "export_dir"):
        if "$" in str(getattr(recipe, key)):
            tell.warn(key, "holds a $, and no environment variable is read in a recipe", "write the path out")


def _holds_a_run(folder: str | None) -> bool:
    return folder is not None and is_file(user_path(folder) / "manifest.json")


def check_secrets(recipe: Recipe, tell: Teller) -> None:
    """A recipe is kept with its run, and so would be what stands in it."""
    for key, value in recipe.model_dump(mode="json").items():
        for name in dict.fromkeys(secrets_in(value)):
            fix = "take it out, and read the variable where it is used"
            tell.error(key, f"holds the value of {name}, which would stand in the run's files", fix)


def packages_asked_for(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Keys that need a package beyond the engine's own."""
    for sink in recipe.report_to:
        if sink not in ("none", "all"):
            yield "report_to", sink
    if recipe.engine == "trl":
        asked = {
            "deepspeed": ("deepspeed", recipe.deepspeed is not None),
            "use_vllm": ("vllm", recipe.use_vllm),
            "quantization_bit": ("bitsandbytes", recipe.quantization_bit is not None),
            "optim": ("bitsandbytes", "8bit" in recipe.optim or recipe.optim.startswith(("paged", "lion"))),
            "flash_attn": ("flash-attn", recipe.flash_attn in ("fa2", "fa3")),
        }
        yield from ((key, package) for key, (package, needed) in asked.items() if needed)
    elif recipe.use_vllm:
        yield "use_vllm", "vllm"
