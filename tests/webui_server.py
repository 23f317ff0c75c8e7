"""`grpoctl webui` as a user starts it, for tests and benchmarks."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Server:
    """`grpoctl webui` as a user starts it, in a folder of its own."""

    def __init__(self, folder: Path, port: int, *words: str, **environment: str) -> None:
        self.folder, self.port = folder, port
        self.url = f"http://127.0.0.1:{port}/"
        self._words, self._environment = words, environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **self._environment}
        environment.pop("GRPOCTL_RUNS", None)
        command = [sys.executable, "-m", "grpoctl", "webui", "--port", str(self.port), *self._words]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        self.wait()
        return self

    def wait(self, timeout_s: float = 60) -> None:
        latest = time.monotonic() + timeout_s
        while True:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process is not None and self.process.poll() is None, self.log
            assert time.monotonic() < latest, self.log
            time.sleep(0.05)

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
