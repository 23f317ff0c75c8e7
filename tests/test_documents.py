"""Every command that the documents show is one that works.

What costs nothing is run as it stands: check, estimate, lists. Of the others the command line's own parser reads the
words, and `check` the recipe with the keys that are set. Files of the reader's own (my_recipe.yaml) are made here.
"""

import argparse
import importlib
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from idx_files import SIDE, labels_file, pictures_file
from shown_commands import DOCUMENTS, ROOT, Shown, shown_commands

from grpoctl import cli
from grpoctl.recipe.load import find_recipe

COMMANDS = shown_commands()
OURS = [each for each in COMMANDS if each.line.startswith("grpoctl ")]
OTHERS = [each for each in COMMANDS if not each.line.startswith("grpoctl ")]

# Run as they stand: they read and write nothing but what lies in a folder of their own.
CHEAP = ("check", "estimate", "reward", "data", "init", "schema", "doctor", "version", "runs")
# Shown because they are refused.
REFUSED = ("num_generations=1",)
# Words that stand for one of the reader's own.
STANDS_FOR = {
    "RECIPE": "quickstart",
    "NAME": "quickstart",
    "FOLDER": "digits_here",
    "key=value": "num_generations=4",
    "gsm8k": "tiny_arithmetic",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a reader would have made by then."""
    folder = tmp_path_factory.mktemp("desk")
    for split in ("train", "t10k"):
        (folder / "digits_here").mkdir(exist_ok=True)
        (folder / "digits_here" / f"{split}-images-idx3-ubyte").write_bytes(pictures_file([bytes(SIDE * SIDE)] * 1024))
        (folder / "digits_here" / f"{split}-labels-idx1-ubyte").write_bytes(labels_file([0] * 1024))
    (folder / "recipes").mkdir()
    for name in ("my_recipe.yaml", "my.yaml", "r.yaml", "recipes/my.yaml"):
        shutil.copy(find_recipe("quickstart"), folder / name)
    (folder / "my_problems.jsonl").write_text('{"question": "1 + 1?", "answer": 2}\n')
    (folder / "completions.jsonl").write_text(
        '{"prompt": "1 + 1?", "completion": "<answer>2</answer>", "answer": "2"}\n'
    )
    return folder


@pytest.fixture
def at_the_desk(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    monkeypatch.setenv("GRPOCTL_RUNS", str(desk / "saves"))


def words_of(shown: Shown) -> list[str]:
    """The words to give to cli.main; what a synopsis leaves open (`[RUN]`, `…`) is left out."""
    line = re.sub(r"\[[^]]*\]", "", shown.line).partition(" > ")[0]
    words = Shown(line, "", True).words[1:]
    words = [word for word in words if "…" not in word]
    for name, value in STANDS_FOR.items():
        words = [re.sub(rf"(^|[=/]){re.escape(name)}(?=$|:)", rf"\g<1>{value}", word) for word in words]
    return [word.replace("=/shared/", "=shared/") for word in words]


def is_a_mention(words: list[str]) -> bool:
    """`grpoctl check` in a sentence names the verb, `grpoctl reward test` what it does."""
    named = 2 if words[0] in ("reward", "data") else 1
    return len([word for word in words if not word.startswith("-")]) <= named


@pytest.mark.usefixtures("at_the_desk")
@pytest.mark.parametrize("shown", OURS, ids=str)
def test_a_command_of_ours_works(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = words_of(shown)
    verb = words[0]
    assert verb in cli.verb_names()
    if is_a_mention(words) and not shown.whole:
        return
    if verb == "init":
        shutil.rmtree("new", ignore_errors=True)
        words = (
            [*words[: words.index("--to")], "--to", "new/r.yaml"] if "--to" in words else [*words, "--to", "new/r.yaml"]
        )
    expected = 2 if any(word in REFUSED for word in words) and verb != "train" else 0
    if verb in CHEAP:
        assert cli.main(words) == expected, capsys.readouterr().err
        return
    recipe = _parsed(words, monkeypatch, capsys)
    if recipe:
        assert cli.main(["check", *recipe]) == expected, capsys.readouterr().err


def _parsed(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the verb would be given; of that its recipe and overrides."""
    given: list[argparse.Namespace] = []

    def run(args: argparse.Namespace) -> int:
        given.append(args)
        return 0

    module = importlib.import_module(f"grpoctl.commands.{words[0]}")
    with monkeypatch.context() as patch:
        patch.setattr(module, "run", run)
        assert cli.main(words) == 0, capsys.readouterr().err
    (args,) = given
    recipe = getattr(args, "recipe", None)
    if recipe is None or getattr(args, "resume", None):  # a run has its own
        return []
    return [str(recipe), *getattr(args, "overrides", [])]


def test_there_are_commands_to_try() -> None:
    assert len(OURS) > 60
    assert len({path for path in DOCUMENTS if any(each.document in path.as_posix() for each in OURS)}) > 10


# --- make, python, pytest, pip, tensorboard


@pytest.mark.parametrize("shown", OTHERS, ids=str)
def test_a_command_of_others_names_what_is_there(shown: Shown) -> None:
    program, *words = shown.words
    _TRIED[Path(program).name](words)


def _make(words: list[str]) -> None:
    targets = re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in words if "=" not in word} <= set(targets)


def _python(words: list[str]) -> None:
    if words[0] == "-m":
        assert words[1].split(".")[0] in ("grpoctl", "venv")
        return
    script = ROOT / words[0]
    text = script.read_text(encoding="utf-8")
    for option in (word for word in words[1:] if word.startswith("--")):
        assert f'"{option}"' in text, f"{words[0]} knows no {option}"


def _pytest(words: list[str]) -> None:
    paths = [word for word in words if word.startswith("tests")]
    assert paths
    assert all((ROOT / path).exists() for path in paths)


def _pip(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for named in re.findall(r"grpoctl\[([^]]+)\]", " ".join(words)):
        assert set(named.split(",")) <= set(extras)


def _tensorboard(words: list[str]) -> None:
    assert words[0].startswith("--logdir")


_TRIED: dict[str, Callable[[list[str]], None]] = {
    "make": _make,
    "python": _python,
    "pytest": _pytest,
    "pip": _pip,
    "tensorboard": _tensorboard,
}


# --- what the pages quote


def test_claims_holds_what_its_command_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trl")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    importlib.import_module("claims").main()
    page = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == re.findall(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[-1]


def test_the_lines_that_troubleshooting_explains_are_said_somewhere() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    table = page[page.index("## What it says") : page.index("## Looking inside")]
    lines = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert len(lines) > 5
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "grpoctl").rglob("*.py")]
    # An f-string ends where a value begins, and a long text goes on in the next literal.
    said = re.sub(r'"\s*f?"', "", "\n".join(sources))
    assert [line for line in lines if line not in said] == []
