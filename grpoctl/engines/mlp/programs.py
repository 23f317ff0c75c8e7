"""How are programs compiled: with which precision, and kept where, so that a second start finds those of the first?"""

import logging
import os
from pathlib import Path

import jax


def settle() -> None:
    """What has to be said before JAX computes anything."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    settings = {
        "jax_compilation_cache_dir": str(Path(root) / "grpoctl" / "jax"),
        "jax_persistent_cache_min_compile_time_secs": 0.1,
        "jax_persistent_cache_min_entry_size_bytes": -1,
        # On a TPU and on newer GPUs a float32 product is otherwise one of bfloat16.
        "jax_default_matmul_precision": "highest",
    }
    for name, value in settings.items():
        jax.config.update(name, value)  # type: ignore[no-untyped-call]
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.ERROR)
