"""A page to test: one server for each folder that a test wants, and Debian's Chromium to look at it."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from webui_server import Server, free_port

from grpoctl.run.process import is_running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server in the test's own folder."""
    pytest.importorskip("gradio")
    servers: list[Server] = []

    def start(*words: str, **environment: str) -> Server:
        servers.append(Server(tmp_path, free_port(), *words, **environment))
        return servers[-1].start()

    yield start
    for server in servers:
        server.kill()
    # What the page started outlives it, which a test that failed half-way would leave to the machine.
    for file in (tmp_path / "saves").glob("*/manifest.json"):
        kept = json.loads(file.read_text(encoding="utf-8"))
        pid = kept["process_id"]
        if pid != os.getpid() and is_running(pid, kept["process_started"]):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no chromium here: apt-get install chromium")
    with playwright.sync_playwright() as started:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        browser = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: "Browser") -> Iterator[Callable[..., "Page"]]:
    """Opens the page in a browser profile of its own, and fails on a script's error or a word to any other machine."""
    from playwright.sync_api import expect

    expect.set_options(timeout=20_000)
    contexts, faults = [], []

    def open_(server: Server, query: str = "", **how: Any) -> "Page":
        context = browser.new_context(**{"locale": "en-US", "viewport": {"width": 1400, "height": 900}, **how})
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda asked: faults.append(asked.url) if not _is_own(asked.url, server.url) else None)
        page.goto(server.url + query)
        page.locator(".island:visible > *").first.wait_for()
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not faults


def _is_own(url: str, own: str) -> bool:
    return url.startswith((own, "data:", "blob:"))
