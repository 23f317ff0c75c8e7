"""How long until the first step on JAX is done, the first time and the second, whose programs were kept?

    python benchmarks/jax_start.py [--rounds 3]

Each is a `grpoctl train` of the quickstart's first step in a process of its own, from the command to the line of that
step; the first with an empty cache, the second with what that left. A ratio is of such a pair, the median is told.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(cache: Path, folder: Path) -> float:
    """From the command until the first step is told of."""
    words = ["train", "quickstart", "engine=tunix", "max_steps=1", "eval_dataset=", f"output_dir={folder}"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(cache)}
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "grpoctl", *words], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        took = next((time.monotonic() - began for line in process.stdout if line.startswith("step 1/1")), None)
        for _ in process.stdout:
            pass
    if took is None:
        sys.exit(f"no step was made; see {folder}")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            cache = Path(folder) / f"cache-{number}"
            cache.mkdir()
            pairs.append(tuple(seconds(cache, Path(folder) / f"{number}-{turn}") for turn in range(2)))
    told = {
        "first_s": round(statistics.median(first for first, _ in pairs), 1),
        "second_s": round(statistics.median(second for _, second in pairs), 1),
        "ratio": round(statistics.median(second / first for first, second in pairs), 2),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
