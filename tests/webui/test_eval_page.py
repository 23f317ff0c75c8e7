"""An evaluation that is started from the Compare tab, watched, and stopped, in a browser and by real processes."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("trl")

from fake_run import make_run, step
from playwright.sync_api import expect
from webui_server import Server, free_port

from grpoctl import shipped
from grpoctl.recipe.load import load_recipe
from grpoctl.run import events as ev

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One page over one run of the tiny model, which has not been evaluated."""
    folder = tmp_path_factory.mktemp("evaluated")
    run = make_run(folder / "saves" / "a", step(3), (ev.RUN_FINISHED, {"step": 3}))
    run.resolved.write_text(json.dumps(load_recipe("quickstart").model_dump(mode="json")))
    for file in shipped.MODELS["tiny"].iterdir():
        shutil.copy(file, run.path)
    server = Server(folder, free_port()).start()
    yield server
    server.kill()


def kept(server: Server) -> list[Path]:
    return sorted((server.folder / "saves" / "a" / "eval").glob("*.json"))


def test_a_bad_number_leaves_the_button_where_it_is_and_says_why(server: Server, open_page: Open) -> None:
    page = open_page(server, "?tab=compare")
    page.get_by_label("Problems", exact=True).fill("ten")
    button = page.get_by_role("button", name="Evaluate", exact=True)
    expect(button).to_be_disabled()
    expect(page.locator("#eval-wrong")).to_contain_text("Problems: is ten; use a whole number from 1 to")
    page.get_by_label("Problems", exact=True).fill("8")
    expect(button).to_be_enabled()


def test_an_evaluation_that_is_stopped_before_its_first_result_says_so(server: Server, open_page: Open) -> None:
    page = open_page(server, "?tab=compare")
    page.get_by_role("button", name="Evaluate", exact=True).click()
    card = page.locator(".eval").first
    expect(card.locator(".pill")).to_have_text("running")
    card.get_by_role("button", name="Stop").click()
    expect(card.locator(".pill")).to_have_text("stopped", timeout=60_000)
    expect(card.get_by_role("button", name="Stop")).to_have_count(0)
    assert kept(server) == []
    expect(page.locator("#compare")).to_contain_text("Choose runs above, or evaluate one below.")


def test_an_evaluation_is_started_watched_and_its_result_compared(server: Server, open_page: Open) -> None:
    page = open_page(server, "?tab=compare")
    page.get_by_label("Problems", exact=True).fill("8")
    expect(page.locator("#compare-evals .command code")).to_have_text("grpoctl eval a --mode greedy --base --limit 8")
    page.get_by_role("button", name="Evaluate", exact=True).click()
    card = page.locator(".eval").first
    expect(card).to_contain_text("--limit 8")
    expect(card.locator("[role=status]")).to_contain_text("Loading the model …")
    expect(card.locator(".pill")).to_have_text("finished", timeout=60_000)
    assert [file.name for file in kept(server)] == [f"greedy-step-00000{at}-limit8.json" for at in (0, 3)]
    page.get_by_role("checkbox", name="a evaluated").check()
    row = page.get_by_role("row", name="a 0.0%")
    expect(row).to_contain_text("8")
    # The weights are those of before, so that nothing can have changed.
    expect(row).to_contain_text("may be chance")
