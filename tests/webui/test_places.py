from pathlib import Path

import pytest
from fake_run import make_run

from grpoctl import shipped
from grpoctl.errors import InputError
from webui import places
from webui.page import Page
from webui.recipes import files
from webui.runs.files import download, files_of
from webui.words import Say

BAD = ["", ".", "..", "../x", "a/b", "/etc/passwd", "-x", ".hidden", "a\nb", "x" * 65, "é", "a b", "a\0b", "%2e%2e"]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", BAD)
def test_no_name_leads_out_of_a_folder(name: str) -> None:
    with pytest.raises(InputError):
        places.own_recipe_file(name)
    with pytest.raises(InputError):
        places.new_run_folder(name)
    assert places.run_named(name) is None


def test_a_shipped_recipe_is_not_written_over() -> None:
    with pytest.raises(InputError, match="comes with grpoctl"):
        files.save("quickstart", "seed: 1\n", None)


def test_a_link_out_of_the_recipes_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "secret.yaml").write_text("seed: 1\n")
    (tmp_path / "recipes" / "mine.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(InputError, match="leads out of recipes/"):
        files.read_recipe_named("mine")


def test_a_run_that_is_there_is_not_trained_over() -> None:
    make_run(Path("saves/one"))
    with pytest.raises(InputError, match="is there already"):
        places.new_run_folder("one")


def test_no_run_is_called_what_means_the_newest_one() -> None:
    with pytest.raises(InputError, match="means the newest run to every command; choose another name"):
        places.new_run_folder("latest")


def test_a_run_is_found_by_any_name_it_has() -> None:
    make_run(Path("saves/运行 1"))
    found = places.run_named("运行 1")
    assert found is not None and found.name == "运行 1"


def test_only_files_of_the_run_itself_can_be_taken(tmp_path: Path) -> None:
    run = make_run(tmp_path / "saves" / "one")
    (run.path / "plots").mkdir()
    (run.path / "plots" / "a.png").write_bytes(b"x")
    (run.path / "out").symlink_to("/etc")
    (run.path / "pass").symlink_to("/etc/passwd")
    (run.path / ".lock").touch()
    assert [name for name, _ in files_of(run.path)] == ["manifest.json", "plots/a.png"]
    page = Page({}, Say("en"))
    for wanted in ("out/passwd", "pass", ".lock", "../two/x", "/etc/passwd"):
        with pytest.raises(InputError, match="is not there any more"):
            download(page, {"run": "one", "file": wanted})
    assert download(page, {"run": "one", "file": "plots/a.png"}).data["go"].startswith("/run-file/")


def test_in_a_checkout_own_recipes_do_not_pass_for_shipped_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "quickstart.yaml").write_text("seed: 0\n")
    monkeypatch.setattr("grpoctl.shipped.RECIPES", tmp_path / "recipes")
    files.save("mine", "seed: 1\n", None)
    assert (tmp_path / "recipes" / "own" / "mine.yaml").read_text() == "seed: 1\n"
    assert places.own_recipes() == ["mine"] and "mine" not in shipped.recipe_names()
    assert files.path_for_command("mine") == "recipes/own/mine.yaml"
    assert files.path_for_command("quickstart") == "quickstart"
    files.save("mine", "seed: 2\n", files.mark_of("seed: 1\n"))


def test_a_name_that_is_taken_is_not_proposed() -> None:
    from webui.recipes.launch import suggested_name

    page = Page({"recipe": "quickstart"}, Say("en"))
    assert suggested_name(page) == "my_quickstart"
    files.save("my_quickstart", "seed: 1\n", None)
    assert suggested_name(page) == "my_quickstart-2"
    assert suggested_name(Page({"recipe": "my_quickstart"}, Say("en"))) == "my_quickstart"
