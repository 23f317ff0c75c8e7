"""What would one need to run this again: versions, data, hardware, command, process?"""

import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from grpoctl import __version__
from grpoctl.machine import read_machine
from grpoctl.packages import installed_version
from grpoctl.run.directory import RunDirectory
from grpoctl.run.files import as_json, write_whole
from grpoctl.run.process import start_time
from grpoctl.secret_values import without_secrets


@dataclass
class Manifest:
    """The facts around a run, as manifest.json holds them."""

    recipe_file: str
    overrides: list[str]
    engine: str
    started: str = field(default_factory=lambda: datetime.now().astimezone().isoformat(timespec="seconds"))
    command: list[str] = field(default_factory=lambda: ["grpoctl", *sys.argv[1:]])
    folder: str = field(default_factory=lambda: str(Path.cwd()))
    host: str = field(default_factory=socket.gethostname)
    resumed: list[str] = field(default_factory=list)
    process_id: int = field(default_factory=os.getpid)
    process_started: int | None = field(default_factory=lambda: start_time(os.getpid()))
    versions: dict[str, str | None] = field(default_factory=dict)
    git: dict[str, Any] | None = None
    hardware: dict[str, Any] = field(default_factory=lambda: read_machine().as_json())
    data: list[dict[str, Any]] = field(default_factory=list)
    rewards: list[dict[str, Any]] = field(default_factory=list)  # files of the user's own


def make_manifest(
    recipe_file: str,
    overrides: list[str],
    engine: str,
    packages: Iterable[str],
    data_files: Iterable[Path],
    reward_files: Iterable[Path] = (),
) -> Manifest:
    return Manifest(
        recipe_file,
        overrides,
        engine,
        versions={
            "grpoctl": __version__,
            "python": platform.python_version(),
            **{package: installed_version(package) for package in packages},
        },
        git=_git_revision(),
        data=[_hashed(path) for path in data_files],
        rewards=[_hashed(path) for path in reward_files],
    )


def _hashed(path: Path) -> dict[str, Any]:
    return {"file": str(path), "sha256": sha256(path), "bytes": path.stat().st_size}


def write_manifest(run: RunDirectory, manifest: Manifest) -> None:
    write_whole(run.manifest, without_secrets(as_json(asdict(manifest))))


def read_manifest(run: RunDirectory) -> dict[str, Any]:
    """The manifest, or an empty one where the file is damaged: a run is shown for what is left of it."""
    try:
        value = json.loads(run.manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _git_revision() -> dict[str, Any] | None:
    """The commit of the folder one stands in, and whether files differ from it."""
    try:
        said = [
            subprocess.run(["git", *words], capture_output=True, text=True, timeout=5, check=True).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return {"revision": said[0], "changed": bool(said[1])}
