"""On which devices does JAX run, what may it keep between runs, and how full are they?"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

from grpoctl.errors import Finding, InputError
from grpoctl.jax_devices import jax_devices
from grpoctl.process_memory import held_bytes, peak_bytes
from grpoctl.recipe.schema import Recipe

_log = logging.getLogger(__name__)

# The first steps compile; a trace of those would hold little else.
_WARM_UP_STEPS = 2


def settle(recipe: Recipe) -> None:
    """What has to be said before JAX computes anything."""
    settings = {
        "jax_compilation_cache_dir": str(cache_folder()),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
        # On a TPU and on newer GPUs a float32 product is otherwise one of bfloat16.
        "jax_default_matmul_precision": None if recipe.bf16 else "highest",
    }
    for name, value in settings.items():
        jax.config.update(name, value)  # type: ignore[no-untyped-call]
    for noisy in ("absl", "jax._src.xla_bridge", "orbax"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def cache_folder() -> Path:
    """Where compiled programs are kept: a second start finds those of the first."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "grpoctl" / "jax"


def refuse_too_few(recipe: Recipe) -> None:
    """InputError where the devices of the recipe's meshes are not here."""
    mesh, rollout = recipe.mesh, recipe.rollout_mesh
    devices_for(mesh.fsdp, mesh.tensor, 0)
    if rollout is not None:
        devices_for(rollout.fsdp, rollout.tensor, mesh.fsdp * mesh.tensor)


def devices_for(fsdp: int, tensor: int, taken: int) -> list[Any]:
    """The devices of a mesh, behind those that another one has."""
    devices = jax_devices()
    left = devices[taken:]
    if fsdp * tensor <= len(left):
        return left[: fsdp * tensor]
    there = f"{len(left)} of {len(devices)} are left" if taken else f"there are {len(left)}"
    fix = "ask for fewer" if left else "take it out: the trainer's own devices draw then"
    problem = f"asks for {fsdp} x {tensor} devices, and {there}"
    raise InputError(Finding(problem, fix, key="rollout_mesh" if taken else "mesh"))


def memory_in_words() -> str:
    """How full each kind of device is, by its own count; on a CPU, what this process holds."""
    found = {device: device.memory_stats() for device in jax.local_devices()}
    counted = [stats for stats in found.values() if stats]
    if not counted:
        return f"{held_bytes() / 2**30:.2f} GiB in this process, at most {peak_bytes() / 2**30:.2f}"
    used, room = (max(stats.get(name, 0) for stats in counted) for name in ("bytes_in_use", "bytes_limit"))
    most = max(stats.get("peak_bytes_in_use", 0) for stats in counted)
    kind = next(iter(found)).device_kind
    return (
        f"{used / 2**30:.2f} of {room / 2**30:.2f} GiB on the fullest of {len(found)} {kind}, "
        f"at most {most / 2**30:.2f}"
    )


class Profile:
    """A trace of so many steps for TensorBoard and Perfetto; none where that is 0."""

    def __init__(self, steps: int, folder: Path) -> None:
        self._left, self._folder, self._skipped = steps, folder, 0
        self._running = False

    @contextmanager
    def around(self, step: int) -> Iterator[None]:
        if not self._left:
            yield
            return
        if self._skipped < _WARM_UP_STEPS:
            self._skipped += 1
            yield
            return
        if not self._running:
            jax.profiler.start_trace(str(self._folder))
            self._running = True
        try:
            with jax.profiler.StepTraceAnnotation("train", step_num=step):
                yield
        finally:
            self._left -= 1
            if not self._left:
                self.close()

    def close(self) -> None:
        if self._running:
            jax.profiler.stop_trace()  # type: ignore[no-untyped-call]
            self._running = False
            _log.info("a trace of JAX's work is in %s", self._folder)
