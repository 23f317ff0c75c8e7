"""Is there a GPU for each process of this machine, and a free port where they meet?"""

import os
import socket

from grpoctl.engines.trl.translate import PORT
from grpoctl.errors import Finding, InputError
from grpoctl.machine import read_machine
from grpoctl.recipe.schema import Recipe


def refuse_more_processes_than_gpus(recipe: Recipe) -> None:
    """On a CPU, processes share the cores."""
    here = len(read_machine().gpus)
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    seen = here if shown is None else min(here, len([name for name in shown.split(",") if name.strip()]))
    if seen and recipe.nproc_per_node > seen:
        gpus = f"{seen} GPU{'s' * (seen > 1)}"
        where = f"this machine has {gpus}" if shown is None else f"CUDA_VISIBLE_DEVICES shows {gpus}"
        problem = f"is {recipe.nproc_per_node}, and {where}"
        raise InputError(Finding(problem, f"use {seen} or fewer", key="nproc_per_node"))


def refuse_port_in_use(recipe: Recipe) -> None:
    """On one machine without a port, torchrun takes one that is free."""
    if recipe.nnodes == 1 and recipe.master_port is None:
        return
    port = recipe.master_port or PORT
    with socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            reason = (error.strerror or "it cannot be bound").lower()
            problem = f"is {port}, and nothing can listen there ({reason})"
            raise InputError(Finding(problem, "name another", key="master_port")) from error
