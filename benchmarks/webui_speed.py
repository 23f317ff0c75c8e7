"""How fast is the web page, and what does its server cost? Measured in Chromium, as a user would meet it.

    python benchmarks/webui_speed.py

A run of 10,000 steps with 12 metrics is made up for it; a second one gets a step a second while ten tabs look on.
"""

import json
import math
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from fake_run import make_run, this_process
from playwright.sync_api import Browser, Page, sync_playwright
from webui_server import Server, free_port

from grpoctl.run import events as ev

_METRICS = ("reward", "reward_std", "rewards/accuracy/mean", "rewards/format/mean", "kl", "entropy",
            "completions/mean_length", "completions/clipped_ratio", "zero_std_share", "learning_rate", "grad_norm",
            "step_time_s")  # fmt: skip
_STEPS, _TABS, _WATCHED_S = 10_000, 10, 20


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    long = make_run(folder / "saves" / "long", (ev.RUN_STARTED, {"max_steps": _STEPS}))
    with long.events.open("a") as stream:
        stream.writelines(_step(number) for number in range(1, _STEPS + 1))
    server = Server(folder, free_port())
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        try:
            began = time.perf_counter()
            server.start()
            page = _open(browser, server, "")
            page.locator("#facts").wait_for()
            told: dict[str, object] = {"command to first view, s": time.perf_counter() - began}
            told["page opened to first view, s"] = median(_first_view(browser, server) for _ in range(5))
            told["form edit to its answer, s"] = median(_edit(page, value) for value in range(9, 14))
            told["10,000 steps x 12 metrics drawn, s"] = median(_drawn(browser, server) for _ in range(5))
            told["and its points, kB"] = _points_kb(browser, server)
            told |= _watched(browser, server, folder)
        finally:
            server.kill()
            browser.close()
            shutil.rmtree(folder, ignore_errors=True)
    for name, value in told.items():
        print(f"{name:<40} {value:.2f}" if isinstance(value, float) else f"{name:<40} {value}")


def _step(number: int) -> str:
    wave = {name: 0.5 + 0.3 * math.sin(number / 900) + random.gauss(0, 0.05) for name in _METRICS}
    return json.dumps({"event": ev.STEP, "time": float(number), "step": number, "max_steps": _STEPS, **wave}) + "\n"


def _open(browser: Browser, server: Server, query: str) -> Page:
    page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.goto(server.url + query)
    return page


def _first_view(browser: Browser, server: Server) -> float:
    began = time.perf_counter()
    page = _open(browser, server, "")
    page.locator("#facts").wait_for()
    took = time.perf_counter() - began
    page.context.close()
    return took


def _edit(page: Page, value: int) -> float:
    """From leaving the field to the check's answer; the editor has it by then."""
    field = page.get_by_label("num_generations", exact=True)
    field.fill(str(value))
    began = time.perf_counter()
    field.press("Tab")
    page.wait_for_function(f"document.querySelector('#facts').innerText.includes('x {value} completions')")
    page.wait_for_function(
        f"document.querySelector('#yaml .cm-content').innerText.includes('num_generations: {value}')"
    )
    return time.perf_counter() - began


def _drawn(browser: Browser, server: Server) -> float:
    """From the click on the run to the last chart."""
    page = _open(browser, server, "?tab=runs")
    page.get_by_role("button", name="long", exact=True).wait_for()
    began = time.perf_counter()
    page.get_by_role("button", name="long", exact=True).click()
    page.wait_for_function("document.querySelectorAll('#charts canvas').length >= 11")
    took = time.perf_counter() - began
    page.context.close()
    return took


def _points_kb(browser: Browser, server: Server) -> float:
    page = _open(browser, server, "?tab=runs&run=long")
    page.wait_for_function("document.querySelectorAll('#charts canvas').length >= 11")
    asked = "grpo.ask(document.getElementById('charts'), 'series', {runs: ['long'], seen: {}})"
    text = page.evaluate(f"{asked}.then(found => JSON.stringify(found))")
    page.context.close()
    return len(text) / 1000


def _watched(browser: Browser, server: Server, folder: Path) -> dict[str, object]:
    """Ten tabs on a run that gets a step a second: the server's share of one core, and its memory."""
    live = make_run(folder / "saves" / "live", (ev.RUN_STARTED, {"max_steps": _STEPS}), process=this_process())
    over = threading.Event()

    def go_on() -> None:
        number = 0
        while not over.wait(1.0):
            number += 1
            with live.events.open("a") as stream:
                stream.write(_step(number))

    writer = threading.Thread(target=go_on)
    writer.start()
    pages = [_open(browser, server, "?tab=runs&run=live") for _ in range(_TABS)]
    for page in pages:
        page.locator("#charts figure").first.wait_for()
    assert server.process is not None
    before, began = _cpu_s(server.process.pid), time.perf_counter()
    pages[0].wait_for_timeout(1000 * _WATCHED_S)
    share = (_cpu_s(server.process.pid) - before) / (time.perf_counter() - began)
    over.set()
    writer.join()
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    return {f"server with {_TABS} tabs, share of a core": share, "server's peak memory, MiB": peak}


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
