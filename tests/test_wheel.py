"""A wheel, installed into an empty folder, works as well as the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel unpacked into it, as pip does it, and nothing else."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, "-m", "grpoctl", *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_wheel_is_the_one_that_runs(installed: Path, tmp_path: Path) -> None:
    code = "import grpoctl.shipped as s; print(s.RECIPES)"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == str(installed / "grpoctl" / "_shipped" / "recipes")


def test_recipes_data_and_the_tiny_model_travel_in_it(installed: Path, tmp_path: Path) -> None:
    result = run(installed, tmp_path, "check", "recipes/quickstart.yaml", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["rows"], document["prompts_per_step"]) == (2000, 16)
    assert {warning["key"] for warning in document["warnings"]} <= {"engine"}  # which may not be installed here


def test_a_recipe_made_there_checks_there(installed: Path, tmp_path: Path) -> None:
    assert run(installed, tmp_path, "init").returncode == 0
    assert run(installed, tmp_path, "check", "quickstart.yaml").returncode == 0


def test_it_holds_no_more_than_it_needs(installed: Path) -> None:
    names = {path.relative_to(installed).parts[0] for path in installed.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"grpoctl", "webui"}
    assert sum(path.stat().st_size for path in installed.rglob("*") if path.is_file()) < 4_000_000
