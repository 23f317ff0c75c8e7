"""The tabs Compare and Ask in a browser: what only a browser does."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("trl")

from fake_evals import evaluated
from fake_run import make_run, step
from playwright.sync_api import expect
from webui_server import Server

from grpoctl import shipped
from grpoctl.recipe.load import load_recipe
from grpoctl.run import events as ev

if TYPE_CHECKING:
    from playwright.sync_api import Page

Serve = Callable[..., Server]
Open = Callable[..., "Page"]


@pytest.fixture
def _run(tmp_path: Path) -> None:
    """A run of the tiny model, evaluated before training and after it."""
    run = make_run(tmp_path / "saves" / "a", step(3), (ev.RUN_FINISHED, {"step": 3}))
    run.resolved.write_text(json.dumps(load_recipe("quickstart").model_dump(mode="json")))
    for file in shipped.MODELS["tiny"].iterdir():
        shutil.copy(file, run.path)
    for at in (0, 3):
        evaluated(run, at, [number < 10 * (at + 1) for number in range(60)])


@pytest.mark.usefixtures("_run")
def test_both_models_answer_a_question_that_is_typed(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(), "?tab=ask")
    page.get_by_label("Question").first.fill("Sam finds 92 cards, then another 49. How many in all?")
    views: list[str] = []
    page.on("request", lambda sent: views.append(sent.url) if "component_server" in sent.url else None)
    began = time.monotonic()
    page.get_by_role("button", name="Ask", exact=True).click()
    answers = page.locator("#answers .said")
    expect(answers).to_have_count(2, timeout=60_000)
    expect(answers.first).to_contain_text("</answer>")
    expect(page.locator("#answers [aria-busy=false]")).to_be_visible()
    assert len(views) > 1.5 * (time.monotonic() - began)  # of its own accord a tab asks every 1.5 s
    assert answers.first.inner_text() == answers.last.inner_text()  # the same weights, greedily


@pytest.mark.usefixtures("_run")
def test_a_pasted_completion_is_scored_and_a_change_makes_the_scores_old(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(), "?tab=ask")
    page.get_by_label("Completions").fill("<think>1</think><answer>141</answer>\n---\n141")
    page.get_by_label("Gold answer").fill("141")
    page.locator("#bench").get_by_role("button", name="check_answer").click()
    page.get_by_role("button", name="Score", exact=True).click()
    cells = page.locator("#scores tbody tr").first.locator("td.number")
    expect(cells).to_have_text(["1", "1", "3", "5"])
    page.get_by_label("Gold answer").fill("140")
    expect(page.locator("#scores")).to_contain_text("Something was changed since")


@pytest.mark.usefixtures("_run")
@pytest.mark.parametrize("width", [390, 1400])
def test_runs_are_compared_and_their_problems_paged_through(width: int, serve: Serve, open_page: Open) -> None:
    page = open_page(serve(), "?tab=compare", viewport={"width": width, "height": 800})
    expect(page.locator("#compare-modes svg")).to_be_visible()
    expect(page.locator(".problem")).to_have_count(10)
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#problem-20")).to_be_visible()
    page.get_by_label("Which").select_option("both")
    expect(page.locator("#problem-0")).to_be_visible()
    page.get_by_label("Search").fill("7 + 1?")
    expect(page.locator(".problem")).to_have_count(1)
    page.get_by_role("checkbox", name="a evaluated").uncheck()
    expect(page.locator("#compare")).to_contain_text("Choose runs above")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
