"""What a training on JAX loads, and what it leaves behind in the process."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from support import small

from grpoctl.engines.tunix.lean import put_off

WORDS = (*small("tunix"), "max_steps=1", "report_to=tensorboard", "eval_dataset=tiny_arithmetic_test")
CODE = """
import gc, json, sys
from grpoctl.cli import main
code = main(["train", "quickstart", *sys.argv[1:]])
print(json.dumps({"code": code, "collects": gc.isenabled(), "frozen": gc.get_freeze_count(), "loaded": [*sys.modules]}))
"""


def test_a_training_loads_no_library_that_it_does_not_use(tmp_path: Path) -> None:
    """Each takes its time, and the first two are installed beside the JAX engine in most places."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *WORDS, f"output_dir={tmp_path / 'run'}"],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["code"], told["collects"]) == (0, True)
    assert not {"torch", "transformers", "pandas"} & set(told["loaded"])
    assert "tensorboardX" in told["loaded"]
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    # A start of many modules: what they made is looked through no more.
    assert told["frozen"] > 100_000


def test_a_module_that_is_put_off_is_loaded_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_module.py").write_text("value = 3")
    monkeypatch.syspath_prepend(tmp_path)
    with put_off("late_module"):
        late = import_module("late_module")
    assert "late_module" not in sys.modules
    assert late.value == 3
    assert sys.modules["late_module"].value == 3
    del sys.modules["late_module"]
    with put_off("late_module"):
        assert import_module("late_module").value == 3
        assert sys.modules["late_module"].__file__
    assert sys.modules["late_module"].value == 3
    with put_off("late_module"), put_off("no_module_at_all"):
        assert sys.modules["late_module"].value == 3
        assert "no_module_at_all" not in sys.modules
    del sys.modules["late_module"]
