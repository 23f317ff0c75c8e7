"""How does an exported model come to its folder whole, and from there to the Hugging Face hub?"""

import fcntl
import logging
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

from grpoctl.errors import Finding, GrpoctlError, InputError
from grpoctl.paths import user_path
from grpoctl.run.files import sync_folder

_INCOMING = ".incoming"

# Without which no library takes a folder for a model.
_LAST = ("config.json", "adapter_config.json")


def free_folder(name: str | None) -> Path:
    """The folder to write to: one that is new or empty."""
    if name is None:
        raise InputError(Finding("has no folder to write to", "add --to DIR", file="grpoctl export"))
    folder = user_path(name)
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(Finding("is a file", "name a folder", file=name))
        if folder.is_dir() and any(path.name != _INCOMING for path in folder.iterdir()):
            raise InputError(Finding("is not empty", "name a new folder, or empty it", file=name))
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(Finding(f"cannot be used ({reason})", "name another folder", file=name)) from None
    return folder


@contextmanager
def put_in_place(folder: Path) -> Iterator[Path]:
    """A folder to write into, whose files come into `folder` once the block has ended well.

    What a killed export left is cleared by the next one.
    """
    place = folder.resolve()
    # A folder that is there may be a mount, or in one that only root may write to, so it is filled from within.
    within = place.is_dir()
    beside = place / _INCOMING if within else place.with_name(f".{place.name}{_INCOMING}")
    with _said_in_one_line(folder):
        beside.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_RDONLY)
        try:
            _hold(descriptor, folder)
            try:
                _clear(beside)
                yield beside
                _sync(beside)
                if within:
                    for path in sorted(beside.iterdir(), key=lambda path: path.name in _LAST):
                        path.replace(place / path.name)
                else:
                    beside.replace(place)
                sync_folder(place)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
        finally:
            os.close(descriptor)


def _hold(descriptor: int, folder: Path) -> None:
    """For this process alone; the system lets go when the process ends, however it ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        fix = "wait for it, or name another folder"
        raise InputError(Finding("is being written by another export", fix, file=str(folder))) from None


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
    sync_folder(folder)


@contextmanager
def _said_in_one_line(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error).partition("\n")[0][:200]
        raise GrpoctlError(f"{folder}: cannot be written ({reason}); make room, or name another folder.") from error


@contextmanager
def ending_well() -> Iterator[None]:
    """SIGTERM ends the process as Ctrl-C does: what was begun is cleared away first."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def told_on(stream: TextIO) -> Iterator[None]:
    """What grpoctl logs goes to people, and what the libraries log does not."""
    root, handler = logging.getLogger(), logging.StreamHandler(stream)
    handler.addFilter(lambda record: record.name.partition(".")[0] == "grpoctl")
    level = root.level
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


# --- the hub


def refuse_without_hub(name: str) -> None:
    """Told before the work: a name that cannot be, no login, no network."""
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.utils import validate_repo_id

    key = "export_hub_model_id"
    try:
        validate_repo_id(name)
    except ValueError:
        raise InputError(Finding(f"is {name}, which is no name on the hub", "write user/model", key=key)) from None
    if get_token() is None:
        raise InputError(Finding(f"is {name}, and there is no login", "log in: hf auth login", key=key))
    try:
        HfApi().whoami()
    except Exception as error:  # each library below has its own errors
        raise GrpoctlError(
            f"{key}: is {name}, and the hub does not let you in ({_reason(error)}); check the network and the login, "
            "or take it out."
        ) from error


def push(folder: Path, name: str) -> str:
    """Upload the folder, and return the repository's whole name. One that is new is private."""
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        repository = str(api.create_repo(name, private=True, exist_ok=True).repo_id)
        api.upload_folder(repo_id=repository, folder_path=folder)
    except Exception as error:
        raise GrpoctlError(
            f"{name}: cannot be pushed ({_reason(error)}); the export is in {folder}: hf upload {name} {folder}"
        ) from error
    return repository


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:160]
