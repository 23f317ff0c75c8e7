"""What machine is this? Read from the system's own files, so that nothing heavy is loaded."""

import os
import platform
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

NVIDIA_CARDS = Path("/proc/driver/nvidia/gpus")
DEVICES = Path("/dev")


@dataclass(frozen=True)
class Machine:
    """The parts of a machine that a recipe may ask for."""

    system: str
    cpu_count: int
    memory_gib: float | None
    disk_free_gib: float | None
    gpus: tuple[str, ...]
    tpus: int

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "gpus": list(self.gpus)}


def read_machine() -> Machine:
    """This machine, as far as its files tell."""
    return Machine(
        system=platform.platform(terse=True),
        cpu_count=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gib=_memory_gib(),
        disk_free_gib=_disk_free_gib(),
        gpus=_gpus(),
        tpus=_count(DEVICES, "accel*") or _count(DEVICES / "vfio", "[0-9]*"),
    )


def _disk_free_gib() -> float | None:
    try:
        return round(shutil.disk_usage(Path()).free / 2**30, 1)
    except OSError:  # a folder that is gone or may not be entered
        return None


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None


def free_memory_gib() -> float | None:
    """What a new program could have now, without others being swapped out."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 2**20 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None


def _gpus() -> tuple[str, ...]:
    """NVIDIA's driver lists each card with its model."""
    names = []
    for file in sorted(NVIDIA_CARDS.glob("*/information")):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
        names.append(models[0] if models else "NVIDIA GPU")
    # In a container the driver's folder may be hidden while the device files are there.
    return tuple(names) or ("NVIDIA GPU",) * _count(DEVICES, "nvidia[0-9]*")


def _count(folder: Path, pattern: str) -> int:
    return sum(1 for _ in folder.glob(pattern))
