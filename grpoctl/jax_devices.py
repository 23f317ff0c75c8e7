"""Which devices has JAX here? Loads it, and says in one line where the environment names what is not here."""

import os
from typing import Any

from grpoctl.errors import Finding, InputError


def jax_devices() -> list[Any]:
    import jax

    try:
        return list(jax.devices())
    except RuntimeError as error:
        platforms = os.environ.get("JAX_PLATFORMS", "")
        reason = str(error).partition("\n")[0].partition(" (set ")[0][:160]
        fix = "unset it, or install what drives that device"
        problem = f"is {platforms}, which JAX cannot use ({reason})"
        raise InputError(Finding(problem, fix, file="JAX_PLATFORMS")) from None
