"""What JAX cannot use is told in one line, before a run has a folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jax")


@pytest.mark.parametrize("recipe", [("quickstart", "engine=tunix"), ("mnist_grpo",)])
def test_a_platform_that_is_not_here_is_one_line_before_anything_is_written(
    recipe: tuple[str, ...], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "grpoctl", "train", *recipe, "max_steps=1", f"output_dir={tmp_path / 'run'}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "JAX_PLATFORMS": "no_such"},
    )
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2
    assert last.startswith("error: JAX_PLATFORMS: is no_such, which JAX cannot use (")
    assert last.endswith("); unset it, or install what drives that device.")
    assert not (tmp_path / "run").exists()
