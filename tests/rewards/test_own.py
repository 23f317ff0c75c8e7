"""The user's own function is a reward in whichever form it is written."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import ROWS

from grpoctl.preflight import Preflight
from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import BadReward, ReadyReward, ready_reward
from grpoctl.rewards.results import BrokenReward, scores_of
from grpoctl.rewards.scoring import scores_within

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

COUNT = 3

def both(completion, completions):
    return []

def nameless(completions, answer, /):
    return []

def _hidden(completions):
    return []

def nothing(texts):
    return []
'''

COLUMNS: dict[str, list[Any]] = {
    "answer": ["a", "x"], "references": ["a", "x"], "prompts": ["a", "p"], "level": [3, 4],
}  # fmt: skip


Write = Callable[[str], Callable[..., ReadyReward]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file; what it returns makes one of its functions ready."""

    def written(text: str) -> Callable[..., ReadyReward]:
        (tmp_path / "own.py").write_text(text, encoding="utf-8")
        return lambda name, **args: ready_reward(RewardUse(use=f"{tmp_path / 'own.py'}:{name}", args=args), Recipe())

    return written


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
    assert list(ready(name).score(["a", "b"], COLUMNS)) == expected


def test_its_name_is_the_functions(ready: Callable[..., ReadyReward]) -> None:
    found = ready("trl").reward
    assert (found.name, found.summary, found.maximum, found.slow) == ("trl", "1 for the reference.", None, True)


def test_the_columns_that_it_needs_are_read_off_its_signature(ready: Callable[..., ReadyReward]) -> None:
    assert ready("trl").lacking({"answer": []}) == ["references"]
    assert ready("by_prompt").lacking({"prompts": []}) == ["references"]
    assert ready("with_default").lacking({}) == []


def test_arguments_come_from_the_recipe(ready: Callable[..., ReadyReward]) -> None:
    assert list(ready("brevity", words=1).score(["a b", "a"], {})) == [0.0, 1.0]
    assert list(ready("with_default", bonus=2.0, level=1).score(["a", "b"], COLUMNS)) == [3.0, 3.0]
    for wrong in ({"wrods": 1}, {"words": "1"}):
        with pytest.raises(BadReward):
            ready("brevity", **wrong)


def test_async_ones_wait_side_by_side(ready: Callable[..., ReadyReward]) -> None:
    import time

    start = time.perf_counter()
    assert list(ready("later").score(["a"] * 40, {"answer": ["a"] * 40})) == [1.0] * 40
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
        ("mine.py:brev", "names brev, which mine.py lacks; did you mean mine.py:brevity?"),
        ("mine.py:xyz", "names xyz, which mine.py lacks; it has trl, tunix, single, by_prompt, later"),
        (
            "mine.py:COUNT",
            "names COUNT, which is no function but an int; it has trl, tunix, single, by_prompt, later",
        ),
        ("mine.py:Limit", "names Limit, which is a class; name a function, or an object of that class"),
        ("mine.py:both", "names both, which takes both completions and completion; leave one of them"),
        (
            "mine.py:nameless",
            "names nameless, which takes parameters that have no names for a caller; take out the / behind them",
        ),
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


def test_a_file_that_is_no_text_says_so_without_a_line(tmp_path: Path) -> None:
    (tmp_path / "nul.py").write_text("\0")
    with pytest.raises(BadReward, match=r"fails as it is loaded \(nul.py: [A-Za-z]+: source code string cannot"):
        ready_reward(RewardUse(use=f"{tmp_path / 'nul.py'}:f"), Recipe())


def test_a_column_of_the_data_never_stands_for_what_the_model_said(write: Write) -> None:
    ready = write(
        "def single(completion, **columns):\n    return completion == 'said' and not columns\n"
        "def batch(completions, **columns):\n    return [text == 'said' and not columns for text in completions]\n"
    )
    columns = {"completion": ["gold"], "completions": ["gold"]}
    assert list(ready("single").score(["said"], columns)) == [True]
    assert list(ready("batch").score(["said"], columns)) == [True]


def test_one_that_changes_its_lists_changes_nothing_for_others(write: Write) -> None:
    ready = write(
        "def f(completions, answer, meta, **columns):\n"
        "    completions[0] = 'x'; completions.pop(); answer.reverse(); meta[0]['seen'] = 1; columns.clear()\n"
        "    return [1.0, 1.0]\n"
    )("f")
    said = ["a", "b"]
    columns: dict[str, list[Any]] = {"answer": ["a", "b"], "meta": [{}, {}]}
    assert scores_of(ready, said, columns) == ([1.0, 1.0], {})
    assert (said, columns) == (["a", "b"], {"answer": ["a", "b"], "meta": [{}, {}]})


def test_what_an_async_one_keeps_from_call_to_call_goes_on_working(write: Write) -> None:
    # A lock belongs to the loop in which somebody first had to wait for it.
    ready = write(
        "import asyncio\nlock = asyncio.Lock()\n"
        "async def f(completion):\n    async with lock:\n        await asyncio.sleep(0.001)\n    return 1.0\n"
    )("f")
    for _ in range(3):
        assert scores_of(ready, ["a", "b"], {}) == ([1.0, 1.0], {})


@pytest.mark.parametrize("raises", ["sys.exit(3)", "raise asyncio.CancelledError", "raise OSError('gone')"])
@pytest.mark.parametrize("form", ["def", "async def"])
@pytest.mark.parametrize("batch", [True, False])
def test_whatever_it_raises_is_told_as_that(write: Write, raises: str, form: str, batch: bool) -> None:
    head = "import asyncio, sys\n"
    each = f"{form} f(completion):\n    if completion == 'bad': {raises}\n    return 1.0\n"
    every = f"{form} f(completions):\n    if 'bad' in completions: {raises}\n    return [1.0 for _ in completions]\n"
    scores, faults = scores_of(write(head + (every if batch else each))("f"), ["a", "bad", "b"], {})
    assert scores == [1.0, None, 1.0]
    expected = {"sys": "SystemExit: 3", "asy": "CancelledError: ", "OSE": "OSError: gone"}
    assert faults[1].said == expected[raises.removeprefix("raise ")[:3]]


def test_a_time_out_takes_those_that_were_not_done_alone(write: Write) -> None:
    ready = write(
        "import asyncio, time\n"
        "def hangs(completion):\n    time.sleep(5 if completion == 'slow' else 0)\n    return 1.0\n"
        "async def waits(completion):\n    await asyncio.sleep(5 if completion == 'slow' else 0)\n    return 1.0\n"
    )
    said, late = ["a", "slow", "b"], "takes longer than 0.2 s for 3 completions (reward_timeout_s)"
    scores, faults = scores_within(ready("hangs"), said, {}, 0.2)
    assert (scores, {row: fault.said for row, fault in faults.items()}) == ([1.0, None, None], {1: late, 2: late})
    scores, faults = scores_within(ready("waits"), said, {}, 0.2)
    assert scores == [1.0, None, 1.0]
    assert faults[1].said == "was not done in time (reward_timeout_s)"


def test_a_generator_gives_scores_as_a_list_does(write: Write) -> None:
    ready = write(
        "import itertools\n"
        "def yields(completions):\n    for text in completions:\n        yield len(text)\n"
        "def maps(completions):\n    return map(len, completions)\n"
        "def endless(completions):\n    return itertools.repeat(1.0)\n"
        "def fails(completions):\n    for text in completions:\n        yield {'a': 1, 'ccc': 3}[text]\n"
    )
    said = ["a", "bb", "ccc"]
    assert scores_of(ready("yields"), said, {}) == scores_of(ready("maps"), said, {}) == ([1.0, 2.0, 3.0], {})
    assert scores_of(ready("fails"), said, {})[0] == [1.0, None, 3.0]
    with pytest.raises(BrokenReward, match="returned more than 1002 scores for 3 completions"):
        scores_of(ready("endless"), said, {})


def test_a_parameter_behind_the_star_without_a_default_is_a_column_unless_the_recipe_gives_it(write: Write) -> None:
    ready = write(
        "import functools\n"
        "def f(completion, *, level):\n    return level\n"
        "def _plain(completions, k, answer):\n    return [k for _ in answer]\n"
        "part = functools.partial(_plain, k=3)\n"
        "def tagged(completion, *, answer_tag):\n    return answer_tag == 'answer'\n"
    )
    assert ready("f").lacking({}) == ["level"]
    assert list(ready("f").score(["a", "b"], {"level": [1, 2]})) == [1, 2]
    assert list(ready("f", level=5).score(["a", "b"], {"level": [1, 2]})) == [5, 5]
    assert list(ready("part").score(["a", "b"], {"answer": ["x", "y"]})) == [3, 3]
    assert list(ready("tagged").score(["a"], {})) == [True]
    with pytest.raises(BadReward, match="is no argument of f; did you mean level"):
        ready("f", levle=5)


def test_arguments_are_held_to_whatever_annotation_can_be_read(write: Write) -> None:
    ready = write(
        "from __future__ import annotations\n"
        "from typing import Literal, Optional\n"
        "def f(completion, words: int = 50, *, names: list[str] = (), limit: int | str = 1, share: float = 0.5,\n"
        "      most: Optional[int] = None, how: Literal['mean', 'sum'] = 'mean', loose: int = None):\n"
        "    return 1.0\n"
    )
    for right in (
        {"words": 5}, {"names": ["a"]}, {"limit": "x"}, {"share": 1}, {"most": None}, {"how": "sum"}, {"loose": None},
    ):  # fmt: skip
        ready("f", **right)
    for wrong, fix in {
        ("words", "five"): "give a whole number", ("words", True): "give a whole number",
        ("names", "a"): "give a list", ("names", (1,)): "give a list", ("limit", 1.5): "give a whole number or text",
        ("share", "1"): "give a number", ("most", "x"): "give a whole number or null",
        ("how", "max"): "give mean or sum",
    }.items():  # fmt: skip
        name, value = wrong
        with pytest.raises(BadReward, match=fix):
            ready("f", **{name: list(value) if isinstance(value, tuple) else value})


def test_two_files_have_each_their_own_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    for number in (1, 2):
        folder = tmp_path / str(number)
        (folder / "helper_package").mkdir(parents=True)
        (folder / "helper_of_own.py").write_text(f"BONUS = {number}\nclass Kept:\n    bonus = BONUS\n")
        (folder / "helper_package" / "__init__.py").write_text("")
        (folder / "helper_package" / "part.py").write_text(f"MORE = {10 * number}\n")
        (folder / "own.py").write_text(
            "import pickle, helper_of_own\nfrom helper_package.part import MORE\n"
            "def f(completion):\n    return helper_of_own.BONUS + MORE\n"
            "def g(completion):\n    return pickle.loads(pickle.dumps(helper_of_own.Kept())).bonus\n"
        )
    for number in (1, 2):
        ready = ready_reward(RewardUse(use=f"{tmp_path / str(number) / 'own.py'}:f"), Recipe())
        assert list(ready.score(["x"], {})) == [11 * number]
    # What has a pool of processes work has to find its neighbour again.
    ready = ready_reward(RewardUse(use=f"{tmp_path / '2' / 'own.py'}:g"), Recipe())
    assert list(ready.score(["x"], {})) == [2]


def test_it_may_import_its_neighbours_and_print(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "neighbour_of_own.py").write_text("BONUS = 2.0\n")
    (tmp_path / "own.py").write_text(
        "import sys\nfrom neighbour_of_own import BONUS\nprint('loaded')\nsys.stdout.write('as well\\n')\n"
        "def f(completion):\n    print(completion)\n    return BONUS\n"
    )
    ready = ready_reward(RewardUse(use=f"{tmp_path / 'own.py'}:f"), Recipe())
    assert list(ready.score(["hello"], {})) == [2.0]
    said = capsys.readouterr()
    # Standard output may have to hold one JSON document.
    assert (said.out, said.err) == ("", "loaded\nas well\nhello\n")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    import os

    file = tmp_path / "own.py"
    for number in (1, 2):
        file.write_text(f"def f(completion):\n    return {number}\n")
        os.utime(file, (number, number))
        assert list(ready_reward(RewardUse(use=f"{file}:f"), Recipe()).score(["x"], {})) == [number]


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
