"""Names with spaces, quotes, new lines, dots, Chinese and emoji: of folders, recipes, data and runs.

Each works or is told of in one line, and nothing is written elsewhere.

`make torture` runs it.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import ROWS, SMALL

from grpoctl import cli, shipped
from grpoctl.run.directory import RunDirectory, all_runs
from grpoctl.run.view import view_run

pytest.importorskip("trl")
pytestmark = pytest.mark.torture

Run = Callable[..., tuple[int, str]]
SHORT = (*(word for word in SMALL if not word.startswith(("max_steps", "save_steps"))), "max_steps=1", "save_steps=1")

NAMES = {
    "spaces": "a  b c",  # around a value YAML has none
    "quotes": 'it\'s "mine" `id` $(id)',
    "a new line": "a\nb",
    "escapes": "a\x1b[31m\tb\rc",
    "backslashes": "a\\b\\n",
    "shell": "a;b|c&d>e*?~",
    "yaml": "a: b # c",
    "brackets": "[a] {b}",
    "dots": "a..b...",
    "Chinese": "数学 训练",
    "emoji": "🚀👩\u200d🔬",
    "right to left": "a\u202eb",
    "surrogates": "a\udcffb",
    "a dash": "-a --now",
    "percent": "%s%n{0}",
    "a hidden one": ".a",
    "latest": "latest",
    "long": "x" * 200,
}


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def started(*words: str) -> tuple[int, str]:
        code = cli.main(words)
        said = capfd.readouterr()
        assert "Traceback" not in said.out + said.err, said
        # One line is one line, and a terminal obeys nothing in it.
        assert "\x1b" not in said.err and "\u202e" not in said.err
        return code, said.out + said.err

    return started


def everything(root: Path) -> set[Path]:
    return {path for path in root.rglob("*")}


@pytest.mark.parametrize("kind", NAMES)
def test_a_run_folder_of_any_name_is_used_and_found_again(
    kind: str, tmp_path: Path, runs: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = RunDirectory(runs / "below" / NAMES[kind])
    code, said = run("train", "quickstart", *SHORT, f"output_dir={made.path}")
    if kind == "surrogates":  # which no recipe.resolved.json can hold
        assert code == 2 and said.startswith("error: command line: output_dir: is the text "), said
        return
    assert code == 0, said
    listed = [] if kind == "a hidden one" else [made.path]
    assert view_run(made).status == "finished" and [each.path for each in all_runs()] == listed
    assert {path.name for path in tmp_path.iterdir()} == {"runs"} and {path.name for path in runs.iterdir()} == {
        "below"
    }
    name = f"below/{NAMES[kind]}"
    for words in (
        ("show", name), ("show", str(made.path), "--json"), ("logs", name), ("runs",), ("runs", "--json"),
        ("eval", name, "eval_dataset=tiny_arithmetic_test", "--limit", "2"), ("ask", name, "1 + 1?"),
        ("compare", name), ("export", name, "--to", str(tmp_path / "out")),
        ("train", "--resume", name, "max_steps=2"),
    ):  # fmt: skip
        code, said = run(*words)
        assert code == 0, (words, said)
    assert view_run(made).step == 2
    code, said = run("stop", name)
    assert code == 2 and "is finished; there is nothing to stop" in said
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "out"}


@pytest.mark.parametrize("kind", NAMES)
def test_a_recipe_a_model_and_data_of_any_name_train(
    kind: str, tmp_path: Path, runs: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = NAMES[kind]
    recipe = tmp_path / "recipes" / f"{name}.yaml"
    data, model = tmp_path / "data" / f"{name}.json", tmp_path / "models" / name
    for folder in (recipe.parent, data.parent, model.parent):
        folder.mkdir()
    shutil.copytree(shipped.MODELS["tiny"], model)
    data.write_text(json.dumps(ROWS))
    entry = {name.encode(errors="replace").decode(): {"file_name": data.name.encode(errors="replace").decode()}}
    (data.parent / "dataset_info.json").write_text(json.dumps(entry))
    recipe.write_text(
        (shipped.RECIPES / "quickstart.yaml").read_text()
        + f"run_name: {json.dumps('🚀 ' + kind, ensure_ascii=False)}\n"
    )
    before = everything(tmp_path)
    words = ["train", str(recipe), *SHORT, f"dataset={data}", f"model_name_or_path={model}"]
    code, said = run(*words)
    if kind == "surrogates":  # which no recipe.resolved.json can hold
        assert code == 2 or code == 0, said
        return
    assert code == 0, said
    (made,) = all_runs()
    assert made.path.parent == runs and view_run(made).status == "finished"
    added = {path for path in everything(tmp_path) - before if runs not in (path, *path.parents)}
    assert added == set()
    code, said = run("train", str(recipe), *SHORT, f"dataset=[{json.dumps(name)}]", f"dataset_dir={data.parent}")
    assert code in (0, 2) and said.strip(), said
    assert everything(tmp_path) - before >= {made.path}


@pytest.mark.parametrize("name", ["../out", "a/../../out", "x" * 300, "/dev/null", "/dev/null/a", "a/" * 3000])
def test_a_folder_that_leads_elsewhere_or_nowhere_is_what_it_says_or_one_line(
    name: str, tmp_path: Path, runs: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "inside" / "deep"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    code, said = run("train", "quickstart", *SHORT, f"output_dir={name}")
    if "out" in name:  # the user's own words, as every path that one types
        assert code == 0 and (inside / name).resolve().is_dir()
    else:
        assert code in (1, 2) and len(said.strip().splitlines()[-1]) > 10, said
    for verb in ("show", "logs", "stop", "eval", "ask", "export"):
        code, said = run(verb, f"{name}/nothing")
        assert code in (1, 2), said


def test_the_count(capsys: pytest.CaptureFixture[str]) -> None:
    print(f"\n{len(NAMES)} names: folders, recipes, models, data", file=sys.__stdout__)
