"""What does a cluster have to be told of a training: how many machines, how long, which command?"""

import re
from dataclasses import dataclass, field

from grpoctl.errors import Finding, InputError

# Where the processes meet. A cluster gives each job machines, or addresses, of its own.
PORT = 29500


@dataclass(frozen=True)
class Job:
    """One training as a job."""

    name: str
    recipe: str
    recipe_text: str
    overrides: tuple[str, ...] = field(default=())
    nodes: int = 1
    gpus: int = 1
    processes: int = 1
    minutes: int | None = None
    cpus: int = 8  # of each process
    sbatch: tuple[str, ...] = ()
    partition: str | None = None
    image: str | None = None
    claim: str | None = None


def command_of(job: Job, recipe: str) -> list[str]:
    """What each machine runs, with its numbers: those of a recipe would win over the environment."""
    placed = [f"nnodes={job.nodes}", f"nproc_per_node={job.processes}"]
    return ["grpoctl", "train", recipe, *job.overrides, *placed]


def job_name(recipe: str) -> str:
    """A name that every cluster takes: letters, digits and dashes."""
    stem = recipe.rpartition("/")[2].removesuffix(".yaml").lower()
    return f"grpoctl-{re.sub(r'[^a-z0-9]+', '-', stem).strip('-')[:40] or 'run'}"


def minutes_of(said: str) -> int:
    """Of 90, 12:00:00 or 2-12:00:00, as Slurm writes times."""
    match = re.fullmatch(r"(?:(\d{1,3})-)?(\d{1,3}):(\d{2})(?::(\d{2}))?|(\d{1,6})", said)
    if match is None:
        raise InputError(Finding(f"is {said}", "write minutes, or HH:MM:SS", file="--time"))
    days, hours, minutes, seconds, alone = (int(part or 0) for part in match.groups())
    return max(1, alone + days * 24 * 60 + hours * 60 + minutes + (seconds > 0))
