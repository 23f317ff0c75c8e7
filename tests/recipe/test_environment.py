"""The environment says on which machine this is, and a recipe's own words win."""

from collections.abc import Callable
from pathlib import Path

import pytest

from grpoctl.recipe.environment import is_torchrun_forced
from grpoctl.recipe.load import read_recipe, read_resolved

SAID = {"NNODES": "2", "NODE_RANK": "1", "NPROC_PER_NODE": "4", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "3000"}


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SAID.items():
        monkeypatch.setenv(name, value)


def test_the_names_of_llamafactory_and_torchrun_are_keys(placed: None, recipe_file: Callable[..., Path]) -> None:
    reading = read_recipe(str(recipe_file("output_dir: /x\n")))
    assert reading.errors == [] and reading.recipe is not None
    made = reading.recipe
    assert (made.nnodes, made.node_rank, made.nproc_per_node) == (2, 1, 4)
    assert (made.master_addr, made.master_port, made.processes) == ("10.0.0.1", 3000, 8)


def test_a_key_of_the_recipe_or_the_command_line_wins(placed: None, recipe_file: Callable[..., Path]) -> None:
    reading = read_recipe(str(recipe_file("output_dir: /x\nnproc_per_node: 3\n")), ["master_port=5"])
    assert reading.recipe is not None
    assert (reading.recipe.nproc_per_node, reading.recipe.master_port, reading.recipe.nnodes) == (3, 5, 2)


def test_a_run_that_goes_on_goes_on_where_the_environment_says(placed: None, tmp_path: Path) -> None:
    path = tmp_path / "recipe.resolved.json"
    path.write_text('{"nproc_per_node": 8, "nnodes": 1, "master_port": null}')
    anew, again = read_resolved(path, ["nnodes=3"], placed_anew=True).recipe, read_resolved(path).recipe
    assert anew is not None and again is not None
    assert (anew.nproc_per_node, anew.nnodes, anew.master_port) == (4, 3, 3000)
    assert (again.nproc_per_node, again.nnodes, again.master_port) == (8, 1, None)


def test_other_engines_and_torchruns_own_processes_are_not_placed(
    placed: None, recipe_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_recipe(str(recipe_file("engine: tunix\n"))).errors == []
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    made = read_recipe(str(recipe_file(""))).recipe
    assert made is not None and made.nnodes == 1


def test_a_variable_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, recipe_file: Callable[..., Path]) -> None:
    monkeypatch.setenv("NPROC_PER_NODE", "many")
    [found] = read_recipe(str(recipe_file(""))).errors
    assert (found.file, found.key, found.line) == ("NPROC_PER_NODE", "nproc_per_node", None)


@pytest.mark.parametrize(("said", "forced"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_torchrun_can_be_forced(monkeypatch: pytest.MonkeyPatch, said: str, forced: bool) -> None:
    monkeypatch.setenv("FORCE_TORCHRUN", said)
    assert is_torchrun_forced() is forced


def test_several_machines_need_a_place_to_meet_and_a_folder(recipe_file: Callable[..., Path]) -> None:
    errors = read_recipe(str(recipe_file("nnodes: 2\nnode_rank: 2\n"))).errors
    assert {found.key for found in errors} == {"node_rank", "master_addr", "output_dir"}
    assert {found.key for found in read_recipe(str(recipe_file("fsdp: full_shard\ndeepspeed: z2\n"))).errors} == {
        "fsdp"
    }
