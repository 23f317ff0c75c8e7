"""Which checkpoints of a run are whole? They are written beside, sealed with hashes, and put in place in one step."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grpoctl.errors import GrpoctlError
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import gone
from grpoctl.run.files import sync_folder, write_json
from grpoctl.run.manifest import sha256

SEAL = "seal.json"
_NAME = re.compile(r"checkpoint-([0-9]+)")


@contextmanager
def writing(run: RunDirectory, step: int) -> Iterator[Path]:
    """A folder to write a checkpoint into; it becomes checkpoint-<step> once the block has ended well.

    A failed write leaves the older checkpoints as they are.
    """
    if not run.path.is_dir():  # which would be made anew, and hold no run
        raise gone(run.path)
    clear_incoming(run)
    folder = run.incoming / run.checkpoint(step).name
    try:
        with said_in_one_line(run.checkpoint(step), run):
            folder.mkdir(parents=True)
            yield folder
            _seal(folder)
            shutil.rmtree(run.checkpoint(step), ignore_errors=True)  # a damaged one, or one that a resume undid
            folder.replace(run.checkpoint(step))
            sync_folder(run.path)
    finally:
        clear_incoming(run)


@contextmanager
def said_in_one_line(what: Path, run: RunDirectory) -> Iterator[None]:
    """What cannot be written, and how to go on once it can."""
    try:
        yield
    except Exception as error:  # torch, safetensors and the system each have their own for a full disk
        reason = str(error).partition("\n")[0][:200]
        raise GrpoctlError(
            f"{what}: cannot be written ({reason}); make room, then go on with grpoctl train --resume {run.name}."
        ) from error


def clear_incoming(run: RunDirectory) -> None:
    shutil.rmtree(run.incoming, ignore_errors=True)


def _seal(folder: Path) -> None:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in files:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    seal = {str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in files}
    write_json(folder / SEAL, seal)
    sync_folder(folder)


def fault_of(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, or None where each file is what it was when it was sealed."""
    try:
        seal = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))
        for name, expected in seal.items():
            path = checkpoint / name
            if not path.is_file():
                return f"lacks {name}"
            if path.stat().st_size != expected["bytes"] or sha256(path) != expected["sha256"]:
                return f"has a damaged {name}"
    except FileNotFoundError:
        return "was never finished"
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return f"has a damaged {SEAL}"
    return None


def steps_of(run: RunDirectory) -> list[int]:
    """The steps that have a checkpoint, whole or not, in order."""
    matches = [_NAME.fullmatch(path.name) for path in run.path.glob("checkpoint-*")]
    return sorted(int(match[1]) for match in matches if match)


def step_of(checkpoint: Path | None) -> int:
    """The step of a checkpoint; without one nothing is done yet."""
    match = _NAME.fullmatch(checkpoint.name) if checkpoint is not None else None
    return int(match[1]) if match else 0


def newest_whole(run: RunDirectory) -> tuple[Path | None, list[str]]:
    """The newest checkpoint that is whole, and what was wrong with each newer one."""
    faults: list[str] = []
    for step in reversed(steps_of(run)):
        fault = fault_of(run.checkpoint(step))
        if fault is None:
            return run.checkpoint(step), faults
        faults.append(f"{run.checkpoint(step).name} {fault}")
    return None, faults


def rotate(run: RunDirectory, keep: int | None) -> None:
    """Delete the oldest so that at most so many are left."""
    for step in steps_of(run)[:-keep] if keep else []:
        doomed = run.checkpoint(step)
        # Unsealed first: a kill in the middle of deleting leaves nothing that passes for whole.
        (doomed / SEAL).unlink(missing_ok=True)
        shutil.rmtree(doomed, ignore_errors=True)
