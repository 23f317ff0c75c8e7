"""How is the page served: on which address, to whom, and until when?"""

import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
import threading
import time
from typing import TYPE_CHECKING

from grpoctl.errors import Finding, InputError

if TYPE_CHECKING:
    from gradio.themes import ThemeClass

# Before Gradio is imported, which otherwise asks its maker for news.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

_TRIES, _PAUSE_S = 5, 30.0


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def free_port(host: str, port: int | None) -> int:
    """The port, or from 7860 on the first that is free; InputError where the one asked for is taken."""
    last: OSError | None = None
    for each in [port] if port is not None else range(7860, 7880):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((host, each))
            except OSError as error:
                last = error
                continue
            return int(tried.getsockname()[1])
    said = last.strerror if last and last.strerror else "in use"
    place = f"{host}:{port}" if port is not None else f"{host}:7860 to 7879"
    raise InputError(Finding(f"cannot be served on ({said})", "name another with --port or --host", file=place))


class Password:
    """One password, kept as its hash; after some wrong tries in a row nobody is let in for a while."""

    def __init__(self, password: str) -> None:
        self._salt = secrets.token_bytes(16)
        self._hash = self._of(password)
        self._wrong = 0
        self._not_before = 0.0
        self._lock = threading.Lock()

    def _of(self, password: str) -> bytes:
        return hashlib.scrypt(password.encode("utf-8", "replace"), salt=self._salt, n=2**14, r=8, p=1)

    @property
    def waits_s(self) -> float:
        """How long nobody will be let in, after too many wrong ones."""
        return max(0.0, self._not_before - time.monotonic())

    def __call__(self, user: str, password: str) -> bool:
        """Whether that is it; any user's name will do."""
        with self._lock:
            if time.monotonic() < self._not_before:
                return False
            if hmac.compare_digest(self._of(password), self._hash):
                self._wrong = 0
                return True
            self._wrong += 1
            if self._wrong >= _TRIES:
                self._wrong, self._not_before = 0, time.monotonic() + _PAUSE_S
            return False


def serve(host: str, port: int, password: str | None) -> None:
    """Serve until Ctrl-C. A password is wanted of everybody, where there is one."""
    from starlette.middleware import Middleware

    from webui import app
    from webui.guard import Guard
    from webui.login import Door

    names = None if password is not None else frozenset({"127.0.0.1", "localhost", "[::1]", _as_host(host)})
    door = None if password is None else Door(Password(password), app.first_script(), app.own_style(), app.LOGO)
    page = app.build()
    page.queue(default_concurrency_limit=4, api_open=False)
    page.launch(
        server_name=host,
        server_port=port,
        theme=_theme(),
        css_paths=app.styles(),
        i18n=app.i18n(),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        share=False,
        show_error=False,
        quiet=True,
        pwa=False,
        max_file_size=1,  # byte: there is nothing to upload
        prevent_thread_lock=True,
        app_kwargs={
            "middleware": [Middleware(Guard, hosts=names, head=app.head_scripts(), door=door)],
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
    )
    everywhere = host in ("0.0.0.0", "::")
    here = "127.0.0.1" if everywhere else _as_host(host)
    others = ", and by this machine's own addresses" if everywhere else ""
    print(f"grpoctl's page: http://{here}:{port}/{others}   (Ctrl-C ends the page, not the runs)", flush=True)
    page.block_thread()


def _as_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _theme() -> "ThemeClass":
    import gradio as gr

    fonts = ("Inter", "Segoe UI", "Noto Sans CJK SC", "Microsoft YaHei", "sans-serif")
    mono = ("JetBrains Mono", "Consolas", "Noto Sans Mono CJK SC", "monospace")
    return gr.themes.Base(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="sm",
        spacing_size="sm",
        text_size="sm",
        font=[gr.themes.Font(name) for name in fonts],
        font_mono=[gr.themes.Font(name) for name in mono],
    )
