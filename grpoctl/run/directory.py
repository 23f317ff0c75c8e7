"""Where does everything of a run stand?"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from grpoctl.errors import Finding, GrpoctlError, InputError, nearest
from grpoctl.paths import is_file, user_path

# saves/qwen3-8b/lora/grpo is as deep as LLaMA-Factory's own recipes go.
_MAX_DEPTH = 4

_WRITTEN_BY_A_RUN = re.compile(
    r"recipe\.(yaml|resolved\.json)|manifest\.json|events\.jsonl|train\.log|\.incoming|\.stop|\.ranks|checkpoint-[0-9]+"
    r"|completions|eval|plots|tensorboard|.*\.safetensors(\.index\.json)?|(adapter_|generation_)?config\.json"
    r"|tokenizer.*|chat_template\.jinja|special_tokens_map\.json|added_tokens\.json|vocab\.json|merges\.txt"
)


@dataclass(frozen=True)
class RunDirectory:
    """A run folder: every path in it has its name here and nowhere else."""

    path: Path

    @property
    def name(self) -> str:
        """The path below the runs folder, or the whole path of a run elsewhere."""
        try:
            return str(self.path.resolve().relative_to(runs_root().resolve()))
        except ValueError:
            return str(self.path)

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def resolved(self) -> Path:
        return self.path / "recipe.resolved.json"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "train.log"

    @property
    def evals(self) -> Path:
        return self.path / "eval"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    def completions(self, step: int) -> Path:
        return self.path / "completions" / f"step-{step:06d}.jsonl"

    def checkpoint(self, step: int) -> Path:
        return self.path / f"checkpoint-{step}"

    @property
    def incoming(self) -> Path:
        """What is being written and not whole yet."""
        return self.path / ".incoming"

    @property
    def ranks(self) -> Path:
        """What each of several processes is at, and why it ended."""
        return self.path / ".ranks"

    @property
    def stop_request(self) -> Path:
        """Holds the number of a signal that the processes of this run should stop for."""
        return self.path / ".stop"

    def clear(self) -> None:
        """Delete what an earlier run wrote here, and nothing else that may stand beside it."""
        for path in self.path.iterdir():
            if _WRITTEN_BY_A_RUN.fullmatch(path.name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    @contextmanager
    def held(self) -> Iterator[None]:
        """The folder for this process alone; the system lets go of it when the process ends, however it ends."""
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    Finding(
                        "is in use by a run that is going on",
                        f"wait for it, or end it: grpoctl stop {self.name}",
                        file=str(self.path),
                    )
                ) from None
            yield
        finally:
            os.close(descriptor)


def runs_root() -> Path:
    """The folder that runs live in: saves/ where you stand, unless GRPOCTL_RUNS names another."""
    return user_path(os.environ.get("GRPOCTL_RUNS") or "saves")


def new_run_directory(recipe_name: str) -> RunDirectory:
    """A folder of its own below the runs folder, made at once so that no other run takes it."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", recipe_name).strip("-._")[:40] or "run"
    base = f"{stem}-{datetime.now():%Y%m%d-%H%M%S}"
    root = runs_root()
    for number in range(1, 1000):
        path = root / (base if number == 1 else f"{base}-{number}")
        try:
            root.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except FileExistsError:
            if not root.is_dir():
                raise InputError(Finding("is no folder", "move it, or set GRPOCTL_RUNS", file=str(root))) from None
            continue
        except OSError as error:
            fix = "make it writable, or set GRPOCTL_RUNS to another folder"
            raise InputError(Finding(f"cannot be written ({error.strerror})", fix, file=str(root))) from None
        return RunDirectory(path)
    raise GrpoctlError(f"{root}: holds a thousand runs of this very second; wait a moment.")


def all_runs() -> list[RunDirectory]:
    """Every run below the runs folder, the one that was started last in front."""
    found = [RunDirectory(folder) for folder in _run_folders(runs_root(), _MAX_DEPTH)]
    return sorted(found, key=_started, reverse=True)


def folders_without_manifest() -> list[Path]:
    """Folders below the runs folder that hold a run's events, and are no run: nobody knows how they came about."""
    found = _run_folders(runs_root(), _MAX_DEPTH, mark="events.jsonl")
    return sorted(folder for folder in found if not is_file(RunDirectory(folder).manifest))


def _run_folders(folder: Path, depth: int, mark: str = "manifest.json") -> Iterator[Path]:
    try:
        inner = [entry.path for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return
    for path in map(Path, inner):
        if is_file(path / mark):
            yield path
        elif depth > 1:
            yield from _run_folders(path, depth - 1, mark)


def _started(run: RunDirectory) -> float:
    try:
        return run.manifest.stat().st_mtime
    except OSError:
        return 0.0


def find_run(name: str) -> RunDirectory:
    """The run of a folder, of a name below the runs folder, or `latest`; InputError where there is none."""
    if name == "latest":
        runs = all_runs()
        if not runs:
            raise InputError(Finding("holds no run", "start one: grpoctl train quickstart", file=str(runs_root())))
        return runs[0]
    for path in (user_path(name), runs_root() / name):
        if is_file(path / "manifest.json"):
            return RunDirectory(path)
    close = nearest(name, [run.name for run in all_runs()])
    fix = f"did you mean {close}?" if close else "see grpoctl runs"
    raise InputError(Finding(f"is no run below {runs_root()}", fix, file=name))
