"""Mutated recipes and rows, and hostile completions: each a clear line, none a traceback, none slow, none large.

`make torture` runs it: 20,000 recipes, 5,000 rows, 5,000 completions (TORTURE_MUTANTS is a factor on these).
"""

import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grpoctl import shipped
from grpoctl.errors import GrpoctlError
from grpoctl.preflight import check
from grpoctl.recipe.load import read_recipe_text
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import all_rewards
from grpoctl.rewards.scoring import Scorer

pytestmark = pytest.mark.torture

FACTOR = float(os.environ.get("TORTURE_MUTANTS", "1"))
SLOW_S, LARGE_MIB = 2.0, 500
# Pieces that break parsers: YAML's own, numbers, Unicode's, escapes.
PIECES = [
    *[":", "- ", "  ", "\t", "\n", "{", "}", "[", "]", "&a ", "*a", "|", ">", "#", "'", '"', "? ", ", ", "%", "@", "`"],
    *["!!python/object:os.system ", "<<: *a", "---", "...", "1e999", "-1", "0", ".nan", ".inf", "null", "true", "no"],
    *[
        "\0",
        "\ud83d",
        "é",
        "名",
        "\u202e",
        "\u2028",
        "9" * 40,
        "a" * 5000,
        "\\x00",
        "${HOME}",
        "../..",
        "/etc/passwd",
        "~",
    ],
]


class Watch:
    """How long the slowest took, and how much memory came on top."""

    def __init__(self) -> None:
        self.slowest, self.before = 0.0, _peak_mib()

    def take(self, act: Callable[[], object], what: object) -> None:
        began = time.perf_counter()
        act()
        took = time.perf_counter() - began
        self.slowest = max(self.slowest, took)
        assert took < SLOW_S, what

    def tell(self, count: int, what: str) -> None:
        grown = _peak_mib() - self.before
        print(f"\n{count:,} {what}: the slowest {self.slowest:.3f} s, {grown:.0f} MiB on top", file=sys.__stdout__)
        assert grown < LARGE_MIB


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def mutants(texts: list[str], count: int, chance: random.Random) -> Iterator[str]:
    """Texts with letters and lines taken out, put elsewhere, doubled, exchanged for pieces, or cut off."""
    for _ in range(count):
        text = chance.choice(texts)
        for _ in range(chance.randint(1, 4)):
            at, to = sorted(chance.randrange(len(text) + 1) for _ in range(2))
            kind = chance.randrange(6)
            if kind == 0:
                text = text[:at] + chance.choice(PIECES) + text[at:]
            elif kind == 1:
                text = text[:at] + text[min(to, at + chance.randint(1, 12)) :]
            elif kind == 2:
                lines = text.split("\n")
                chance.shuffle(lines)
                text = "\n".join(lines)
            elif kind == 3:
                text = text[:at] + text[at : at + 40] * chance.randint(2, 4) + text[at + 40 :]
            elif kind == 4:
                text = text[:at] + chance.choice(PIECES) + text[at + chance.randint(1, 20) :]
            else:
                text = text[: max(1, to)]
        yield text


def test_mutated_recipes_are_told_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where no name of a file that a mutant makes up is there
    texts = [(shipped.RECIPES / f"{name}.yaml").read_text(encoding="utf-8") for name in shipped.recipe_names()]
    count, watch, chance = int(20_000 * FACTOR), Watch(), random.Random(0)
    right = 0
    for number, text in enumerate(mutants(texts, count, chance)):

        def read(text: str = text, number: int = number) -> None:
            nonlocal right
            reading = read_recipe_text(text, "r.yaml")
            right += not reading.errors
            # Reading the data sets and rendering prompts takes a hundred times as long.
            if reading.recipe is not None and number % 40 == 0:
                check(reading)

        watch.take(read, text)
    watch.tell(count, f"mutated recipes ({right:,} of them right)")


def test_mutated_rows_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [json.dumps({"instruction": f"{n} + 1?", "input": "", "output": str(n + 1)}) for n in range(10)]
    rows.append(
        json.dumps({"messages": [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "2"}]})
    )
    count, watch, chance = int(5_000 * FACTOR), Watch(), random.Random(1)
    made = list(mutants(rows, count, chance))
    file, size = tmp_path / "rows.jsonl", 50
    for start in range(0, count, size):
        lines = [row.replace("\n", " ").encode("utf-8", "surrogatepass") for row in made[start : start + size]]
        file.write_bytes(b"\n".join(lines))
        bad = chance.choice(("skip", "refuse"))
        text = f"model_name_or_path: tiny\ndataset: {file}\nreward_funcs: accuracy\nbad_rows: {bad}\n"
        watch.take(lambda text=text: check(read_recipe_text(text, "r.yaml")), lines)  # type: ignore[misc]
    watch.tell(count, "mutated rows")


def test_hostile_completions_score_and_end(tmp_path: Path) -> None:
    answers = [
        *["<think>1</think><answer>18</answer>", "\\boxed{\\frac{1}{2}}", "<answer>" * 200 + "18", "<answer>18"],
        *["9" * 3000, "\\frac{" * 300 + "1", "(" * 2000 + "1" + ")" * 2000, "10^{10^{10^{10}}}", "1/0", "18!!!!!!"],
        *["x" * 20_000, "{" * 500, "\\sqrt{" * 200, "<answer>\\text{" + "a" * 5000 + "}</answer>", "一" * 4000],
    ]
    names = [name for name, found in all_rewards().items() if found.tried_by_check and name not in ("code", "compiles")]
    text = f"model_name_or_path: tiny\ndataset: tiny_arithmetic\nreward_funcs: [{', '.join(names)}]\n"
    found = check(read_recipe_text(text, "r.yaml"))
    recipe: Recipe | None = found.recipe
    assert recipe is not None and not found.errors, found.errors
    scorer = Scorer(found.rewards, recipe, counts=False)
    count, watch, chance = int(5_000 * FACTOR), Watch(), random.Random(2)
    made, size = list(mutants(answers, count, chance)), 8
    failed = 0
    for start in range(0, count, size):
        batch = made[start : start + size]
        columns = {"answer": ["18"] * len(batch), "prompt": ["?"] * len(batch), "prompts": ["?"] * len(batch),
                   "completion_tokens": [10] * len(batch), "question": ["?"] * len(batch)}  # fmt: skip

        def score(batch: list[str] = batch, columns: dict[str, list[object]] = columns) -> None:  # type: ignore[assignment]
            nonlocal failed
            try:
                failed += sum(scorer.score(batch, columns).failures.values())
            except GrpoctlError as error:
                raise AssertionError(str(error)) from error

        watch.take(score, batch)
    watch.tell(count, f"hostile completions, by {', '.join(names)} ({failed} scores failed)")
