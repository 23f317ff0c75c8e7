"""Which host leads, and what do the others have to be told?

Hosts that train one run go through the same steps, each with its own devices. The first one leads: it owns the run
folder, calls the rewards, and tells the others what came of both. On one host nothing here waits or copies.
"""

import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from grpoctl.errors import Finding, GrpoctlError, InputError

T = TypeVar("T")

# A host that is gone is noticed after so long, and a host that is going waits so long for the others.
_SILENCE_S, _FAREWELL_S = 30, 10


def join(timeout_s: int) -> None:
    """Meet the hosts that were started together. jax finds them on TPU pods, under Slurm, MPI and Kubernetes."""
    if jax.distributed.is_initialized():
        return
    # Its service would take SIGTERM for itself, which asks this run to stop.
    jax.config.update("jax_enable_preemption_service", False)  # type: ignore[no-untyped-call]
    count, mine = (os.environ.get(name) for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"))
    try:
        jax.distributed.initialize(
            num_processes=None if count is None else int(count),
            process_id=None if mine is None else int(mine),
            initialization_timeout=timeout_s,
            heartbeat_timeout_seconds=_SILENCE_S,
            shutdown_timeout_seconds=_FAREWELL_S,
        )
    except (ValueError, TypeError, RuntimeError) as error:
        reason = str(error).partition("\n")[0][:200]
        fix = "set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID on each host, or leave it out"
        problem = f"is false, and no other host is found ({reason})"
        raise InputError(Finding(problem, fix, key="skip_jax_distributed_system")) from error


def leads() -> bool:
    return bool(jax.process_index() == 0)


def are_several() -> bool:
    return bool(jax.process_count() > 1)


def refuse_idle_hosts(fsdp: int, tensor: int) -> None:
    """A host without a device in the mesh could not even read what the others come to."""
    count, busy = jax.process_count(), {device.process_index for device in jax.devices()[: fsdp * tensor]}
    if len(busy) < count:
        devices, on = jax.device_count(), f"{len(busy)} of {count} hosts"
        problem = f"asks for {fsdp} x {tensor} of the {devices} devices, and they are on {on}"
        raise InputError(Finding(problem, "ask for devices of every host", key="mesh"))


# --- what one host knows


def agreed(make: Callable[[], T]) -> T:
    """What the first host makes, on all of them: words and numbers that JSON can carry. Its failure is theirs too."""
    if not are_several():
        return make()
    if not leads():
        said = _told(None)
        if "failed" in said:
            raise GrpoctlError(f"the first host has failed: {said['failed']}")
        made: T = said["made"]
        return made
    try:
        mine = make()
    except Exception as error:
        _told({"failed": str(error)})
        raise
    _told({"made": mine})
    return mine


def _told(said: Any) -> Any:
    text = np.frombuffer(json.dumps(said).encode(), np.uint8)
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(text))))
    # Powers of two, so that a few programs carry texts of every length.
    carried = np.zeros(1 << max(length - 1, 1).bit_length(), np.uint8)
    if leads():
        carried[:length] = text
    return json.loads(bytes(multihost_utils.broadcast_one_to_all(carried)[:length]))


def any_signal(mine: int | None) -> int | None:
    """The signal that any host got, so that all of them stop behind the same step."""
    if not are_several():
        return mine
    return int(multihost_utils.process_allgather(np.int32(mine or 0)).max()) or None


def meet(where: str) -> None:
    """Wait until all hosts are here."""
    if are_several():
        multihost_utils.sync_global_devices(where)


# --- arrays that lie on devices of several hosts


def whole(array: Any) -> np.ndarray[Any, Any]:
    """All of an array, on every host."""
    if are_several() and isinstance(array, jax.Array) and not array.is_fully_addressable:
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)


def spread_rows(tree: Any, mesh: Mesh) -> Any:
    """Arrays that all hosts have in full, each row where the mesh wants it."""
    if not are_several():
        return tree
    rows = NamedSharding(mesh, PartitionSpec("fsdp"))  # type: ignore[no-untyped-call]
    return jax.tree.map(lambda part: jax.make_array_from_callback(part.shape, rows, lambda at: part[at]), tree)


def spread_copies(tree: Any, mesh: Mesh) -> Any:
    """A tree in which no array is one device's alone: each of those goes to every device of the mesh."""
    if mesh.size == 1:
        return tree
    everywhere = NamedSharding(mesh, PartitionSpec())  # type: ignore[no-untyped-call]

    def copied(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array) or len(leaf.sharding.device_set) > 1:
            return leaf
        value = np.asarray(leaf)
        return jax.make_array_from_callback(value.shape, everywhere, lambda at: value[at])

    return jax.tree.map(copied, tree)


def on_first_host(model: nnx.Module) -> nnx.Module | None:
    """The model with all of each weight in the first host's memory; None on the others, which help to gather them."""
    if not are_several():
        return model
    graph, state = nnx.split(model)
    leaves, tree = jax.tree.flatten(state)
    gathered = [array if leads() else None for array in map(_gathered, leaves)]
    return nnx.merge(graph, jax.tree.unflatten(tree, gathered)) if leads() else None


def _gathered(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array) and jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf  # random states are no weights
    return whole(leaf)
