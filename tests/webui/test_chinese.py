"""Every sentence of the page is there in Chinese, with the same gaps to fill."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import webui
from grpoctl.estimate.memory import PARTS
from grpoctl.recipe.schema import SECTIONS, Recipe
from webui.chinese import CHINESE
from webui.chinese_keys import KEYS, SECTION_TITLES
from webui.words import Say

ROOT = Path(webui.__file__).parent
# Said by a name that the code holds elsewhere.
STATUSES = ("queued", "running", "finished", "failed", "stopped", "dead")
FACTS = ("engine", "model", "network", "data", "columns", "eval", "prompt", "rewards", "step", "loss", "limits",
         "defaults", "output", "export")  # fmt: skip


def literals() -> Iterator[tuple[str, str]]:
    """Each text that is said directly, and each of a module's own tables that is said by a loop."""
    for path in sorted(ROOT.rglob("*.py")):
        if path.name.startswith("chinese"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and _is_say(node.func):
                for text in _texts(node.args[0]):
                    yield text, path.name


def _is_say(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name in ("say", "_in_all", "_in_each")


def _texts(node: ast.expr) -> Iterator[str]:
    """A literal, or both sides of a choice between two."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def gaps(text: str) -> list[str]:
    return sorted(re.findall(r"{(\w+)", text))


SAID = dict(literals())


def test_the_collector_finds_what_is_said() -> None:
    assert len(SAID) > 150 and "Start training" in SAID and "Stop" in SAID


@pytest.mark.parametrize("text", sorted({*SAID, *STATUSES, *FACTS, *PARTS}))
def test_a_sentence_is_there_in_chinese(text: str) -> None:
    assert text in CHINESE, f"{SAID.get(text)}: {text}"
    assert gaps(CHINESE[text]) == gaps(text)


def test_every_table_of_texts_is_there_too() -> None:
    from webui.app import TABS
    from webui.learn import group, memory, reading
    from webui.runs import curves, detail

    said = [*TABS.values(), *(title for title, _ in curves._CHARTS), *(title for title, _ in detail._PARTS.values())]
    said += [curves._EVALUATED, *(title for title, _ in group._EXAMPLES.values())]
    said += [*(title for title, _ in memory._HOW.values()), *reading._STEPS]
    said += [text for row in (*reading._BESIDE, *reading._MYTHS) for text in row]
    assert [text for text in said if text not in CHINESE] == []


def test_every_key_of_a_recipe_is_explained_in_chinese() -> None:
    assert set(KEYS) == set(Recipe.model_fields)
    assert set(SECTION_TITLES) == {str(section.__doc__) for section in SECTIONS}


def test_an_unknown_language_is_english() -> None:
    assert Say("fr")("Stop") == "Stop" and Say("zh")("Stop") == CHINESE["Stop"]
