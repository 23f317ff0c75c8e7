"""How does a file get to the user's disk? By an address that is handed out for one file and one minute.

Who is handed one has been let in already, so that the address needs no password of its own.
"""

import secrets
import threading
import time
from pathlib import Path

PREFIX = "/run-file/"
_FOR_S = 60.0

_offered: dict[str, tuple[Path, float]] = {}
_lock = threading.Lock()


def offer(path: Path) -> str:
    token, now = secrets.token_urlsafe(24), time.monotonic()
    with _lock:
        for old in [old for old, (_, until) in _offered.items() if until < now]:
            del _offered[old]
        _offered[token] = (path, now + _FOR_S)
    return PREFIX + token


def taken(address: str) -> Path | None:
    """The file of an address, while it holds."""
    with _lock:
        found = _offered.get(address.removeprefix(PREFIX))
    return found[0] if found is not None and time.monotonic() < found[1] and found[0].is_file() else None
