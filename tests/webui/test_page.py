"""The page as a user meets it, in a browser: what is typed, clicked, killed and refreshed."""

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("torch")

from fake_run import make_run, step, this_process
from playwright.sync_api import expect
from webui_server import Server, free_port

from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.process import start_time
from grpoctl.run.view import view_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Serve = Callable[..., Server]
Open = Callable[..., "Page"]

EDITOR = "#yaml .cm-content"


@pytest.fixture(scope="module")
def one_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """For tests that leave it as it was."""
    server = Server(tmp_path_factory.mktemp("page"), free_port()).start()
    yield server
    server.kill()


def text_of(page: "Page") -> str:
    return str(page.evaluate("grpo.state.text"))


def type_recipe(page: "Page", text: str) -> None:
    """As one pastes it over what is there."""
    page.locator(EDITOR).click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def change(page: "Page", key: str, value: str) -> None:
    field = page.get_by_label(key, exact=True)
    field.fill(value)
    field.press("Tab")


def test_what_is_typed_in_the_form_stands_in_the_yaml_and_comments_stay(one_page: Server, open_page: Open) -> None:
    page = open_page(one_page)
    expect(page.get_by_label("num_generations", exact=True)).to_have_value("8")
    change(page, "num_generations", "16")
    expect(page.locator(EDITOR)).to_contain_text("num_generations: 16")
    expect(page.locator("#facts")).to_contain_text("16 prompts x 16 completions")
    assert "# answers to each prompt" in text_of(page)
    expect(page.locator("#standing")).to_contain_text("changed, not saved")
    page.get_by_role("button", name="Show the changes").click()
    expect(page.locator("#diff .added")).to_contain_text("num_generations: 16")


def test_what_is_typed_in_the_yaml_stands_in_the_form_and_is_checked(one_page: Server, open_page: Open) -> None:
    page = open_page(one_page)
    expect(page.locator("#facts")).to_be_visible()
    type_recipe(page, "model_name_or_path: tiny\nlora_rnk: 3\nmax_steps: 7\ndataset: tiny_arithmetic\n")
    expect(page.get_by_label("max_steps", exact=True)).to_have_value("7")
    expect(page.locator("#said-of-recipe")).to_contain_text("line 2 lora_rnk is no key; did you mean lora_rank?")
    expect(page.locator("#start")).to_be_disabled()
    page.get_by_role("button", name="line 2").click()
    assert page.evaluate("document.activeElement.closest('#yaml') !== null")


def test_a_reward_is_switched_on_and_off(one_page: Server, open_page: Open) -> None:
    page = open_page(one_page)
    page.get_by_role("button", name="length", exact=True).click()
    expect(page.locator(EDITOR)).to_contain_text("reward_funcs: [accuracy, format, length]")
    page.get_by_role("button", name="format", exact=True).click()
    expect(page.locator(EDITOR)).to_contain_text("reward_funcs: [accuracy, length]")


def test_a_llamafactory_recipe_pasted_in_is_checked_like_any_other(one_page: Server, open_page: Open) -> None:
    page = open_page(one_page)
    type_recipe(page, "### model\nmodel_name_or_path: tiny\nstage: ppo\nreward_model: x\nppo_epochs: 4\n")
    expect(page.locator("#said-of-recipe")).to_contain_text("reward_model")


def test_an_emptied_editor_takes_a_recipe_after_a_refresh_and_none_that_is_too_long(
    one_page: Server, open_page: Open
) -> None:
    page = open_page(one_page)
    expect(page.locator("#facts")).to_be_visible()
    type_recipe(page, "")
    page.keyboard.press("Delete")
    page.wait_for_function("grpo.state.text === ''")
    page.reload()
    expect(page.locator(EDITOR)).to_be_visible()
    type_recipe(page, "model_name_or_path: tiny\nlora_rnk: 3\n")
    expect(page.locator("#said-of-recipe")).to_contain_text("lora_rnk is no key")
    page.evaluate("grpo.typed('# ' + 'x'.repeat(400000))")
    expect(page.locator("#said")).to_contain_text("That is too long for a recipe, and was not taken.")
    assert text_of(page) == "model_name_or_path: tiny\nlora_rnk: 3\n"


def test_a_run_is_started_watched_stopped_and_resumed(serve: Serve, open_page: Open) -> None:
    server = serve()
    page = open_page(server)
    expect(page.locator("#facts")).to_be_visible()
    change(page, "save_steps", "2")
    change(page, "max_steps", "2000")
    expect(page.locator(EDITOR)).to_contain_text("max_steps: 2000")
    page.get_by_label("Name of the run").fill("mine")
    expect(page.locator(".launch code")).to_contain_text(
        "grpoctl train recipes/my_quickstart.yaml output_dir=saves/mine"
    )
    page.get_by_role("button", name="Start training").click()
    expect(page.locator("#run-title")).to_have_text("mine")
    assert "max_steps: 2000" in (server.folder / "recipes" / "my_quickstart.yaml").read_text(encoding="utf-8")
    row = page.locator("tr[data-run=mine]")
    expect(row).to_contain_text("running", timeout=60_000)
    expect(page.locator("#charts figure").first).to_be_visible(timeout=60_000)
    expect(page.locator("#run-head")).to_contain_text(re.compile(r"Step\s*[3-9] / 2,000"), timeout=60_000)

    page.get_by_role("button", name="Stop", exact=True).click()
    expect(row).to_contain_text("stopped", timeout=60_000)
    stopped_at = view_run(RunDirectory(server.folder / "saves" / "mine")).step
    page.get_by_role("tab", name="Completions").click()
    expect(page.locator("#part .card").first).to_be_visible()
    page.get_by_role("tab", name="Log").click()
    expect(page.locator("#log")).to_contain_text("stopped")

    page.get_by_role("button", name="Go on").click()
    expect(row).to_contain_text("running", timeout=60_000)
    page.wait_for_function(
        "was => +document.querySelector('#run-head .numbers-of-run b').textContent.split('/')[0] > was",
        arg=stopped_at + 1,
        timeout=60_000,
    )
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Kill now")).to_be_visible()
    expect(row).to_contain_text("stopped", timeout=60_000)


def test_a_run_outlives_the_server_and_the_tab_comes_back_with_it(serve: Serve, open_page: Open) -> None:
    server = serve()
    page = open_page(server)
    expect(page.locator("#facts")).to_be_visible()
    change(page, "max_steps", "3000")
    page.get_by_label("Name of the run").fill("lasting")
    page.get_by_role("button", name="Start training").click()
    expect(page.locator("tr[data-run=lasting]")).to_contain_text("running", timeout=60_000)
    run = RunDirectory(server.folder / "saves" / "lasting")

    server.kill()
    expect(page.locator("#away")).to_be_visible(timeout=30_000)
    before = view_run(run)
    assert before.status == "running"
    server.start()
    expect(page.locator("#away")).to_be_hidden(timeout=30_000)
    expect(page.locator("#run-title")).to_have_text("lasting")
    page.wait_for_function(
        "was => +document.querySelector('#run-head .numbers-of-run b')?.textContent.split('/')[0] > was",
        arg=before.step,
        timeout=60_000,
    )
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("tr[data-run=lasting]")).to_contain_text("stopped", timeout=60_000)


def test_nothing_is_lost_by_a_refresh(serve: Serve, open_page: Open, tmp_path: Path) -> None:
    make_run(tmp_path / "saves" / "one", (ev.RUN_STARTED, {"max_steps": 5}), step(1, reward=0.5))
    page = open_page(serve())
    expect(page.locator("#facts")).to_be_visible()
    change(page, "seed", "11")
    expect(page.locator(EDITOR)).to_contain_text("seed: 11")
    page.get_by_role("tab", name="Runs").click()
    page.get_by_role("button", name="one", exact=True).click()
    expect(page.locator("#run-title")).to_have_text("one")
    page.reload()
    expect(page.locator("#run-title")).to_have_text("one")
    page.get_by_role("tab", name="Recipes").click()
    expect(page.locator(EDITOR)).to_contain_text("seed: 11")


def test_a_run_that_a_terminal_started_shows_and_moves_by_itself(serve: Serve, open_page: Open, tmp_path: Path) -> None:
    from fake_run import tell

    page = open_page(serve(), "?tab=runs")
    expect(page.locator("#runs")).to_contain_text("No run is below saves yet.")
    run = make_run(tmp_path / "saves" / "its", (ev.RUN_STARTED, {"max_steps": 5}), process=this_process())
    expect(page.locator("tr[data-run=its]")).to_contain_text("running")
    page.get_by_role("button", name="its", exact=True).click()
    tell(run, step(3, reward=0.75))
    expect(page.locator("#run-head")).to_contain_text("3 / 5")
    expect(page.locator("#charts figure").first).to_contain_text("0.75")


def test_two_pages_that_edit_one_recipe_are_told_of_each_other(serve: Serve, open_page: Open) -> None:
    server = serve()
    first = open_page(server)
    expect(first.locator("#facts")).to_be_visible()
    change(first, "seed", "1")
    first.get_by_role("button", name="Save", exact=True).click()
    expect(first.locator("#standing")).to_contain_text("as on the disk")

    second = open_page(server)
    second.get_by_label("Recipe", exact=True).select_option("recipe:my_quickstart")
    expect(second.locator(EDITOR)).to_contain_text("seed: 1")
    change(second, "seed", "2")
    second.get_by_role("button", name="Save", exact=True).click()
    expect(second.locator("#standing")).to_contain_text("as on the disk")

    change(first, "max_steps", "9")
    expect(first.locator("#standing")).to_contain_text("changed by somebody else since you opened it")
    first.get_by_role("button", name="Save", exact=True).click()
    expect(first.locator(".toast.bad")).to_contain_text("has been changed by somebody else since you opened it")
    file = server.folder / "recipes" / "my_quickstart.yaml"
    assert "seed: 2" in file.read_text(encoding="utf-8")
    first.get_by_role("button", name="Save over it").click()
    expect(first.locator("#standing")).to_contain_text("as on the disk")
    assert "max_steps: 9" in file.read_text(encoding="utf-8")

    file.unlink()
    expect(second.locator("#standing")).to_contain_text("is gone from the disk")


def test_the_page_speaks_chinese_and_remembers_it(one_page: Server, open_page: Open) -> None:
    page = open_page(one_page)
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("tab", name="运行", exact=True)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.reload()
    expect(page.get_by_role("tab", name="对比", exact=True)).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("tab", name="Compare", exact=True)).to_be_visible()


@pytest.mark.parametrize("width", [390, 1400])
def test_no_tab_is_wider_than_the_screen(one_page: Server, open_page: Open, width: int) -> None:
    name = f"a-run-with-quite-a-long-name-that-goes-on-for-a-while-{width}"
    make_run(one_page.folder / "saves" / name, (ev.RUN_STARTED, {"max_steps": 5}), step(1, reward=0.5))
    page = open_page(one_page, viewport={"width": width, "height": 844})
    for tab in ("Recipes", "Runs", "Compare", "Ask", "Learn"):
        page.get_by_role("tab", name=tab, exact=True).click()
        page.locator(".island:visible > *").first.wait_for()
        if tab == "Runs":
            page.get_by_role("button", name=name).click()
            expect(page.locator("#run-title")).to_be_visible()
        wide = page.evaluate(
            "() => [...document.querySelectorAll('.island')].filter(e => e.offsetParent)"
            ".map(e => Math.round(e.getBoundingClientRect().right))"
        )
        assert max(wide) <= width, tab
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab


def test_every_field_and_button_has_a_name(serve: Serve, open_page: Open, tmp_path: Path) -> None:
    make_run(tmp_path / "saves" / "one", (ev.RUN_STARTED, {"max_steps": 5}), step(1, reward=0.5))
    page = open_page(serve(), "?run=one")
    for tab in ("Recipes", "Runs", "Compare", "Ask", "Learn"):
        page.get_by_role("tab", name=tab, exact=True).click()
        page.locator(".island:visible > *").first.wait_for()
        nameless = page.evaluate(
            "() => [...document.querySelectorAll('.island :is(input, select, textarea, button)')].filter(e =>"
            " e.offsetParent && !(e.labels && e.labels.length) && !e.getAttribute('aria-label')"
            " && !e.textContent.trim()).map(e => e.outerHTML.slice(0, 120))"
        )
        assert nameless == [], tab


def test_a_row_of_the_table_is_reached_and_chosen_by_the_keyboard(
    serve: Serve, open_page: Open, tmp_path: Path
) -> None:
    make_run(tmp_path / "saves" / "one", (ev.RUN_STARTED, {"max_steps": 5}), step(1, reward=0.5))
    page = open_page(serve(), "?tab=runs")
    expect(page.locator("tr[data-run=one]")).to_be_visible()
    page.get_by_role("tab", name="Runs", exact=True).focus()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "one":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#run-title")).to_have_text("one")


def test_while_the_page_loads_it_says_so(one_page: Server, open_page: Open, browser: "Browser") -> None:
    context = browser.new_context(locale="zh-CN", java_script_enabled=True)
    page = context.new_page()
    page.route(re.compile(r"/assets/.*\.js"), lambda route: None)  # which never come
    page.goto(one_page.url, wait_until="commit")
    shown = "getComputedStyle(document.documentElement, '::after').content"
    page.wait_for_function(f"{shown}.includes('grpoctl 正在加载')")
    context.close()
    assert open_page(one_page).evaluate(shown) == "none"


def test_the_keyboard_leaves_the_editor_and_is_told_how(one_page: Server, open_page: Open) -> None:
    page = open_page(one_page)
    expect(page.locator("#facts")).to_be_visible()
    editor = page.locator(EDITOR)
    expect(editor).to_have_attribute("aria-describedby", "leaving-editor")
    expect(page.locator("#leaving-editor")).to_contain_text("Escape, then Tab, leaves it")
    editor.click()
    inside = "document.activeElement.closest('#yaml') !== null"
    page.keyboard.press("Tab")
    assert page.evaluate(inside)
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert not page.evaluate(inside)


def test_in_chinese_what_the_command_says_is_called_its_own_words(one_page: Server, open_page: Open) -> None:
    page = open_page(one_page, "?lang=zh")
    expect(page.locator("#facts")).to_be_visible()
    type_recipe(page, "model_name_or_path: tiny\nlora_rnk: 3\ndataset: tiny_arithmetic\n")
    expect(page.locator("#said-of-recipe")).to_contain_text("以下是命令输出的原文（英文）：")
    expect(page.locator("#said-of-recipe")).to_contain_text("lora_rnk is no key")


def test_a_comment_outlives_its_key_in_the_form(one_page: Server, open_page: Open) -> None:
    page = open_page(one_page)
    expect(page.locator("#facts")).to_be_visible()
    before = text_of(page)
    change(page, "num_generations", "")
    expect(page.locator(EDITOR)).to_contain_text(re.compile(r"# num_generations: +# answers to each prompt"))
    change(page, "num_generations", "8")
    page.wait_for_function("before => grpo.state.text === before", arg=before)


def test_on_a_phone_a_keys_meaning_stands_whole(one_page: Server, open_page: Open) -> None:
    page = open_page(one_page, viewport={"width": 390, "height": 844})
    page.get_by_role("tab", name="Recipes", exact=True).click()
    expect(page.get_by_label("num_generations", exact=True)).to_be_visible()
    cut = "[...document.querySelectorAll('.help')].filter(e => e.scrollHeight > e.clientHeight + 2).map(e => e.id)"
    assert page.evaluate(cut) == []


def test_a_legend_shows_each_line_as_it_is_drawn(one_page: Server, open_page: Open) -> None:
    rewards = {"rewards/accuracy/mean": 0.5, "rewards/format/mean": 1.0}
    for name in ("a", "b"):
        folder = one_page.folder / "saves" / name
        make_run(folder, (ev.RUN_STARTED, {"max_steps": 5}), *[step(n, reward=1.5, **rewards) for n in (1, 2)])
    page = open_page(one_page, "?run=a&tab=runs")
    page.get_by_role("checkbox", name="draw the curves of b too").check()
    legend = page.locator("figure", has_text="Each reward").locator(".legend span")
    expect(legend).to_have_text(["a accuracy", "a format", "b accuracy", "b format"])
    marks = legend.locator("i").evaluate_all("marks => marks.map(mark => mark.style.background)")
    assert len(set(marks)) == 4
    assert ["repeating-linear-gradient" in mark for mark in marks] == [False, True, False, True]


def test_what_is_damaged_of_a_run_is_told_in_its_place(one_page: Server, open_page: Open) -> None:
    saves = one_page.folder / "saves"
    half = make_run(saves / "half", (ev.RUN_STARTED, {"max_steps": 5}), step(1, reward=0.25), process=this_process())
    with half.events.open("a") as stream:
        stream.write('{"event": "step_logged", "time": 9.0, "step": 2, "rew')
    make_run(saves / "broken", step(1, reward=0.5)).manifest.write_text('{"process_id"')
    make_run(saves / "lost", step(1, reward=0.5)).manifest.unlink()
    page = open_page(one_page, "?tab=runs&run=half")
    expect(page.locator("#run-head")).to_contain_text("1 / 5")
    expect(page.locator("#without-manifest")).to_contain_text("no manifest.json: saves/lost")
    page.get_by_role("button", name="broken", exact=True).click()
    expect(page.locator("#run-head")).to_contain_text("Its manifest.json cannot be read")
    with half.events.open("a") as stream:
        stream.write('ard": 0.75}\n')
    page.get_by_role("button", name="half", exact=True).click()
    expect(page.locator("#run-head")).to_contain_text("2 / 5")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_run_whose_process_was_killed_is_dead_and_can_go_on(one_page: Server, open_page: Open, number: int) -> None:
    process = subprocess.Popen(["sleep", "60"])
    try:
        name = f"killed-{number}"
        alive = (process.pid, start_time(process.pid))
        make_run(one_page.folder / "saves" / name, (ev.RUN_STARTED, {"max_steps": 5}), step(1), process=alive)
        page = open_page(one_page, f"?tab=runs&run={name}")
        expect(page.locator(f"tr[data-run={name}]")).to_contain_text("running")
    finally:
        process.send_signal(number)
        process.wait()
    expect(page.locator(f"tr[data-run={name}]")).to_contain_text("dead")
    expect(page.locator("#run-head")).to_contain_text("Its process is gone and left no word")
    expect(page.get_by_role("button", name="Go on", exact=True)).to_be_visible()
