"""The user's own function is a reward in whichever form it is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import ROWS

from grpoctl.preflight import Preflight
from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import BadReward, ReadyReward, ready_reward
from grpoctl.rewards.results import scores_of

FORMS = '''
import asyncio
from dataclasses import dataclass

@dataclass
class Limit:
    words: int = 2

def trl(completions, references, **kwargs):
    """1 for the reference."""
    return [1.0 if text == gold else 0.0 for text, gold in zip(completions, references)]

def tunix(prompts, completions, **context):
    return [float(prompt in text) + len(context["level"]) for prompt, text in zip(prompts, completions)]

def single(completion, answer):
    return completion == answer

def by_prompt(completion, prompt, reference):
    return 1.0 if completion == prompt + reference else None

async def later(completion, answer):
    await asyncio.sleep(0.05)
    return float(completion == answer)

async def all_later(completions, answer, **columns):
    await asyncio.sleep(0)
    return [float(text == gold) for text, gold in zip(completions, answer)]

def brevity(completions, *, words: int = Limit().words, weight_of=None):
    return [1.0 if len(text.split()) <= words else 0.0 for text in completions]

def with_default(completion, bonus=0.5, level=0):
    return bonus + level

def picky(completion, answer):
    return {"a": 1.0, "c": 0.5}[completion]

def _hidden(completions):
    return []

def nothing(texts):
    return []
'''

COLUMNS: dict[str, list[Any]] = {
    "answer": ["a", "x"], "references": ["a", "x"], "prompts": ["a", "p"], "level": [3, 4],
}  # fmt: skip


@pytest.fixture
def ready(tmp_path: Path) -> Callable[..., ReadyReward]:
    (tmp_path / "mine.py").write_text(FORMS, encoding="utf-8")

    def make(name: str, **args: object) -> ReadyReward:
        return ready_reward(RewardUse(use=f"{tmp_path / 'mine.py'}:{name}", args=args), Recipe())

    return make


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("trl", [1.0, 0.0]),
        ("tunix", [3.0, 2.0]),  # the prompt is in it, and two rows have a level
        ("single", [True, False]),
        ("by_prompt", [None, None]),
        ("later", [1.0, 0.0]),
        ("all_later", [1.0, 0.0]),
        ("brevity", [1.0, 1.0]),
        ("with_default", [3.5, 4.5]),  # the data has a level, and no bonus
    ],
)
def test_every_form_scores(ready: Callable[..., ReadyReward], name: str, expected: list[Any]) -> None:
    assert ready(name).score(["a", "b"], COLUMNS) == expected


def test_its_name_is_the_functions(ready: Callable[..., ReadyReward]) -> None:
    found = ready("trl").reward
    assert (found.name, found.summary, found.maximum, found.slow) == ("trl", "1 for the reference.", None, True)


def test_the_columns_that_it_needs_are_read_off_its_signature(ready: Callable[..., ReadyReward]) -> None:
    assert ready("trl").lacking({"answer": []}) == ["references"]
    assert ready("by_prompt").lacking({"prompts": []}) == ["references"]
    assert ready("with_default").lacking({}) == []


def test_arguments_come_from_the_recipe(ready: Callable[..., ReadyReward]) -> None:
    assert ready("brevity", words=1).score(["a b", "a"], {}) == [0.0, 1.0]
    assert ready("with_default", bonus=2.0, level=1).score(["a", "b"], COLUMNS) == [3.0, 3.0]
    for wrong in ({"wrods": 1}, {"words": "1"}):
        with pytest.raises(BadReward):
            ready("brevity", **wrong)


def test_async_ones_wait_side_by_side(ready: Callable[..., ReadyReward]) -> None:
    import time

    start = time.perf_counter()
    ready("later").score(["a"] * 40, {"answer": ["a"] * 40})
    assert time.perf_counter() - start < 1.0  # one behind the other they would take two seconds


def test_one_that_fails_on_a_completion_fails_on_that_alone(ready: Callable[..., ReadyReward]) -> None:
    scores, faults = scores_of(ready("picky"), list("abc"), {"answer": list("abc")})
    assert scores == [1.0, None, 0.5]
    assert list(faults) == [1] and faults[1].said == "KeyError: 'b'"
    assert faults[1].trace is not None and "mine.py" in faults[1].trace


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("mine.py:barevity", "names barevity, which mine.py lacks; did you mean mine.py:brevity?"),
        ("mine.py", "names mine.py and no function in it; did you mean mine.py:trl?"),
        (
            "mine.py:nothing",
            "names nothing, which takes no completions; give it a parameter completions or completion",
        ),
        ("none.py:f", "names none.py, which is no file; give its path, which starts where you are"),
        ("broken.py:f", "fails as it is loaded (broken.py:2: SyntaxError: invalid syntax); mend it"),
        ("raises.py:f", "fails as it is loaded (raises.py:3: ZeroDivisionError: division by zero); mend it"),
        ("exits.py:f", "fails as it is loaded (exits.py:1: SystemExit: 3); mend it"),
        ("empty.py:f", "names f, which empty.py lacks; write one: def name(completions, answer): …"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(
    place: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "mine.py": FORMS, "broken.py": "x = 1\ny = = 2\n", "empty.py": "",
        "raises.py": "def f():\n    return 1\nx = 1 / 0\n", "exits.py": "raise SystemExit(3)\n",
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(BadReward) as caught:
        ready_reward(RewardUse(use=place), Recipe())
    assert str(caught.value) == message


def test_it_may_import_its_neighbours_and_print(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "neighbour_of_own.py").write_text("BONUS = 2.0\n")
    (tmp_path / "own.py").write_text(
        "from neighbour_of_own import BONUS\nprint('loaded')\n"
        "def f(completion):\n    print(completion)\n    return BONUS\n"
    )
    ready = ready_reward(RewardUse(use=f"{tmp_path / 'own.py'}:f"), Recipe())
    assert ready.score(["hello"], {}) == [2.0]
    said = capsys.readouterr()
    # Standard output may have to hold one JSON document.
    assert (said.out, said.err) == ("", "loaded\nhello\n")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    import os

    file = tmp_path / "own.py"
    for number in (1, 2):
        file.write_text(f"def f(completion):\n    return {number}\n")
        os.utime(file, (number, number))
        assert ready_reward(RewardUse(use=f"{file}:f"), Recipe()).score(["x"], {}) == [number]


# --- in check


def test_check_tries_it_before_anything_is_trained(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def f(completions, levels):\n    return [1.0 for _ in completions]\n"
                                     "def g(completion, answer):\n    return answer.upper().no\n"
                                     "def h(completions, answer):\n    return 1.0\n"
                                     "def ok(completion, answer):\n    return len(completion)\n")  # fmt: skip
    names = [f"{tmp_path / 'own.py'}:{name}" for name in ("f", "g", "h", "ok")]
    found = checked("", f"reward_funcs={json.dumps(names)}")
    problems = {finding.key: finding.problem for finding in found.errors}
    assert problems == {
        "reward_funcs.0": "uses f, which reads levels, a column that the data lacks",
        "reward_funcs.1": "uses g, which fails on a gold answer (AttributeError: 'str' object has no attribute 'no')",
        "reward_funcs.2": "uses h, which returned a float in place of a list of scores",
    }


def test_check_does_not_wait_for_one_that_hangs(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import time\ndef f(completion):\n    time.sleep(30)\n")
    (finding,) = checked("", f"reward_funcs={tmp_path / 'own.py'}:f", "reward_timeout_s=0.2", rows=ROWS).errors
    assert (
        finding.problem
        == "uses f, which fails on a gold answer (takes longer than 0.2 s for 8 completions (reward_timeout_s))"
    )
