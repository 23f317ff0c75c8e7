"""How does the page start a command? As a person would in a terminal: a process of its own, which the page can lose.

What a command says before it has a run folder stands in `.webui/` below the runs folder, one folder a start.
"""

import json
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from grpoctl.errors import GrpoctlError
from grpoctl.run.directory import runs_root
from grpoctl.run.files import write_json
from grpoctl.run.process import is_running, start_time

_KEPT = 50  # older ones are cleared away
_TAIL_BYTES = 16_384


@dataclass(frozen=True)
class Started:
    """A command that the page started, as its folder tells of it."""

    folder: Path
    words: list[str]
    about: str  # the run that it is about
    process_id: int
    process_started: int | None
    time: float

    @property
    def command(self) -> str:
        return command_line(self.words)

    @property
    def is_running(self) -> bool:
        return is_running(self.process_id, self.process_started)

    @property
    def said(self) -> str:
        """The end of what it printed."""
        try:
            with (self.folder / "output.log").open("rb") as stream:
                stream.seek(0, 2)
                stream.seek(max(0, stream.tell() - _TAIL_BYTES))
                return stream.read().decode("utf-8", "replace")
        except OSError:
            return ""

    @property
    def exit_code(self) -> int | None:
        """None where it runs, or where the server that started it was gone by its end."""
        try:
            return int((self.folder / "exit").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    @property
    def killed_by(self) -> str | None:
        """The signal that ended it, by its name; None where none did."""
        code = self.exit_code
        if code is None or code >= 0:
            return None
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"


def command_line(words: Sequence[str]) -> str:
    return shlex.join(["grpoctl", *words])


def start(words: Sequence[str], about: str) -> Started:
    """Start `grpoctl WORDS` in a session of its own, so that neither this server's end nor its Ctrl-C reaches it."""
    folder = _new_folder()
    with (folder / "output.log").open("wb") as output:
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "grpoctl", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise GrpoctlError(f"{command_line(words)}: cannot be started ({error.strerror}).") from None
    begun = Started(folder, list(words), about, process.pid, start_time(process.pid), time.time())
    write_json(folder / "started.json", {name: value for name, value in asdict(begun).items() if name != "folder"})
    threading.Thread(target=_wait, args=(process, folder), daemon=True).start()
    return begun


def _new_folder() -> Path:
    root = runs_root() / ".webui"
    root.mkdir(parents=True, exist_ok=True)
    for old in sorted(path for path in root.iterdir() if path.is_dir())[:-_KEPT]:
        if not any(each.folder == old and each.is_running for each in all_started()):
            for path in old.iterdir():
                path.unlink(missing_ok=True)
            old.rmdir()
    stamp = time.time_ns()
    while True:
        folder = root / str(stamp)
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            stamp += 1


def _wait(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Bury the process when it ends, and keep its exit code."""
    code = process.wait()
    try:
        (folder / "exit").write_text(str(code), encoding="ascii")
    except OSError:  # cleared away meanwhile, or a full disk
        return


def all_started() -> list[Started]:
    """What the page started and has not cleared away, the newest first."""
    try:
        folders = sorted((runs_root() / ".webui").iterdir(), reverse=True)
    except OSError:
        return []
    return [each for each in map(_read, folders) if each is not None]


def _read(folder: Path) -> Started | None:
    try:
        kept = json.loads((folder / "started.json").read_text(encoding="utf-8"))
        return Started(
            folder,
            [str(word) for word in kept["words"]],
            str(kept["about"]),
            int(kept["process_id"]),
            kept["process_started"],
            float(kept["time"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
