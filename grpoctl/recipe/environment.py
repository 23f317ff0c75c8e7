"""Which keys does the environment give, under the names that LLaMA-Factory and torchrun read?

What starts a run on several machines knows which of them this one is, and a recipe is the same on all.
"""

import os
from collections.abc import Collection, Iterator

# Key by variable. A key in the recipe wins.
_KEYS = {
    "NPROC_PER_NODE": "nproc_per_node",
    "NNODES": "nnodes",
    "NODE_RANK": "node_rank",
    "MASTER_ADDR": "master_addr",
    "MASTER_PORT": "master_port",
}
_FORCED = "FORCE_TORCHRUN"


def placed_by_environment(given: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Variable, key and value of each that is set, unless the key is given already."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return  # one of the processes that torchrun started, which sets some of these for itself
    for variable, key in _KEYS.items():
        value = os.environ.get(variable, "").strip()
        if value and key not in given:
            yield variable, key, value


def is_torchrun_forced() -> bool:
    """Whether one process is to be started as several are."""
    return os.environ.get(_FORCED, "").strip().lower() in ("1", "true", "yes", "on")
