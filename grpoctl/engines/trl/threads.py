"""How many CPU threads are fastest? It depends on the model and on what else the machine does, so it is tried."""

import os
import time
from collections.abc import Callable
from statistics import median

import torch

# A rehearsal of a large model takes long, and choosing threads is not worth more than this.
_LONGEST_S = 10.0


def given_threads(recipe_threads: int | None) -> int | None:
    """What the recipe or OMP_NUM_THREADS says; None where they leave it open."""
    if recipe_threads is not None:
        return recipe_threads
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isascii() and said.isdigit() and int(said) > 0 else None


def probe(rehearse: Callable[[], None], cores: int) -> tuple[int, float]:
    """The fastest number of threads for the work, and the seconds that it took with them."""
    counts = [count for count in (1, 2, 4, 8, 16, 32, 64) if count < cores] + [cores]
    torch.set_num_threads(cores)
    began = time.monotonic()
    rehearse()  # the first time also allocates and reads from disk
    taken: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(3):
        # Largest first: where time runs out after one, it is the one that large models want.
        for count in reversed(counts):
            if time.monotonic() - began > _LONGEST_S and any(taken.values()):
                break
            torch.set_num_threads(count)
            start = time.perf_counter()
            rehearse()
            taken[count].append(time.perf_counter() - start)
    medians = {count: median(times) for count, times in taken.items() if times}
    fastest = min(medians, key=lambda count: medians[count])
    torch.set_num_threads(fastest)
    return fastest, medians[fastest]
