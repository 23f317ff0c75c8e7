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
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A folder with the wheel unpacked into it, as pip does it, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "site")
    return wheel.parent / "site"


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
    held = [path for path in installed.rglob("*") if path.is_file() and path.suffix != ".pyc"]  # Python's own, since
    assert sum(path.stat().st_size for path in held) < 4_000_000


def environment(folder: Path) -> Path:
    """The Python of an environment in which nothing is installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    return folder / "bin" / "python"


def install(python: Path, *words: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "install"]
    subprocess.run([*pip, *words], check=True, capture_output=True, timeout=1200)


def init_and_train(python: Path, folder: Path, *overrides: str) -> str:
    """What the two commands of a new user say, in a folder where nothing is."""
    outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "GRPOCTL_RUNS")}
    for words in (("init",), ("train", "quickstart.yaml", *overrides)):
        done = subprocess.run(
            [str(python.with_name("grpoctl")), *words],
            cwd=folder, env=outside, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["quickstart.yaml", "recipe.schema.json", "saves"]
    return done.stdout


def test_a_new_user_trains_where_nothing_else_is(wheel: Path, tmp_path: Path) -> None:
    """The wheel alone is installed; the libraries are lent, by a path that does not follow this checkout's own .pth."""
    pytest.importorskip("trl")
    python, folder = environment(tmp_path / "env"), tmp_path / "empty"
    install(python, "--no-deps", "--no-index", str(wheel))
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "lent.pth").write_text("".join(f"{path}\n" for path in sys.path if path.endswith("site-packages")))
    folder.mkdir()
    small = ("max_steps=2", "max_samples=16", "num_generations=2", "eval_dataset=", "num_threads=1")
    assert "finished at step 2 of 2" in init_and_train(python, folder, *small)
    where = [str(python), "-c", "import grpoctl; print(grpoctl.__file__)"]
    found = subprocess.run(where, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert Path(found).is_relative_to(site)


@pytest.mark.torture
def test_a_new_user_installs_everything_and_trains(wheel: Path, tmp_path: Path) -> None:
    """Nothing is lent: some minutes and 2 GB, from the package index."""
    python, folder = environment(tmp_path / "env"), tmp_path / "empty"
    constraints = ROOT / "constraints" / "common.txt"
    (torch,) = (line for line in constraints.read_text().splitlines() if line.startswith("torch=="))
    install(python, torch)
    install(python, "--constraint", str(constraints), f"{wheel}[trl]")
    folder.mkdir()
    assert "finished at step 80 of 80" in init_and_train(python, folder)
