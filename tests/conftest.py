"""What several test modules use."""

from collections.abc import Callable
from pathlib import Path

import pytest

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
