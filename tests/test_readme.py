"""What the README shows is what the commands print."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)

MISTAKEN = """model_name_or_path: tiny
stage: grpo
num_genrations: 8
lora_rank: "64"
learning_rate: 5e-7
dataset: tiny_arithmatic
reward_funcs: acuracy,format
packing: true
"""


def check(cwd: Path, file: str) -> str:
    """Errors and then facts, without the warnings that depend on what is installed."""
    result = subprocess.run(
        [sys.executable, "-m", "grpoctl", "check", file],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return result.stderr + result.stdout


def test_the_quickstarts_screen_is_real() -> None:
    pytest.importorskip("trl")  # without it the check warns that the engine is not here
    assert check(ROOT, "recipes/quickstart.yaml") == BLOCKS[0]


def test_the_mistaken_recipes_screen_is_real(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    (tmp_path / "my_recipe.yaml").write_text(MISTAKEN)
    assert check(tmp_path, "my_recipe.yaml") == BLOCKS[1].partition("\n")[2]


def test_every_link_in_the_documents_leads_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
