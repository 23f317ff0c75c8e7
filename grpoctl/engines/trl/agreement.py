"""Do all processes of a run train the same recipe with the same packages?"""

import platform
import socket
from collections.abc import Sequence
from typing import Any

from grpoctl import __version__
from grpoctl.errors import Finding, InputError
from grpoctl.packages import installed_version
from grpoctl.run import launched

_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "deepspeed")


def this_process() -> dict[str, Any]:
    """What has to be the same on all."""
    versions = {name: installed_version(name) for name in _PACKAGES}
    versions |= {"grpoctl": __version__, "Python": platform.python_version()}
    return {"machine": socket.gethostname(), "versions": versions, "recipe": launched.recipe_here()}


def refuse_differing(told: Sequence[dict[str, Any]]) -> None:
    """Of all processes, in order; each of them comes to the same words."""
    first = told[0]
    for rank, other in enumerate(told):
        where = f"rank {rank}, on {other['machine']},"
        for key in first["recipe"].keys() & other["recipe"].keys():
            ours, theirs = first["recipe"][key], other["recipe"][key]
            if ours != theirs:
                said = f"is {ours} on rank 0, and {where} has {theirs}"
                raise InputError(Finding(said, "start every machine with the same recipe", key=key))
        for name, ours in first["versions"].items():
            theirs = other["versions"].get(name)
            if ours != theirs:
                said = f"is {ours or 'missing'} on rank 0, and {where} has {theirs or 'none'}"
                raise InputError(Finding(said, "install the same on every machine", key=name))
