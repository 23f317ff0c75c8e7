"""What several test modules use."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support import LAPTOP, ROWS

from grpoctl import cli
from grpoctl.machine import Machine
from grpoctl.preflight import Preflight, check
from grpoctl.recipe.load import read_recipe

GOOD = """model_name_or_path: tiny
dataset: tiny_arithmetic
reward_funcs: accuracy
system_prompt: ""
max_completion_length: 40
"""


@pytest.fixture
def recipe_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a recipe that is right but for the lines given."""

    def write(extra: str = "", name: str = "r.yaml") -> Path:
        path = tmp_path / name
        path.write_text(GOOD + extra, encoding="utf-8")
        return path

    return write


@pytest.fixture
def every_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every engine's packages count as installed, whatever this environment has."""
    monkeypatch.setattr("grpoctl.preflight.surroundings.missing_packages", lambda packages: [])


@pytest.fixture
def checked(recipe_file: Callable[..., Path], tmp_path: Path) -> Callable[..., Preflight]:
    """Checks a recipe with a data set `mine` of the given rows."""

    def run(extra: str = "", *overrides: str, rows: object = ROWS, machine: Machine = LAPTOP) -> Preflight:
        info = {"mine": {"file_name": "mine.json"}, "hubbed": {"hf_hub_url": "a/b"}}
        (tmp_path / "dataset_info.json").write_text(json.dumps(info))
        (tmp_path / "mine.json").write_text(json.dumps(rows), encoding="utf-8")
        always = ("dataset=mine", f"dataset_dir={tmp_path}")
        return check(read_recipe(str(recipe_file(extra)), (*always, *overrides)), machine)

    return run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runs folder of a test."""
    monkeypatch.setenv("GRPOCTL_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def grpoctl(runs: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line and returns its exit code, what it printed, and what it said on standard error."""

    def run(*words: str) -> tuple[int, str, str]:
        code = cli.main(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
