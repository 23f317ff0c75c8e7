"""20,000 damaged recipes in one process: never a traceback, never a hang, always a line where there is one."""

import random
import time
from pathlib import Path

import pytest
from support import LAPTOP

from grpoctl import shipped
from grpoctl.preflight import check
from grpoctl.recipe.load import RecipeReading, read_recipe_text
from grpoctl.recipe.schema import Recipe

COUNT = 20_000

HOSTILE = (
    "", "null", "~", "[]", "{}", "[[[[", "}", "!!python/object/apply:os.system [ls]", "*a", "&a [*a]", "<<: *b",
    "{a: 1}", "1e-4", "1e999", "-0", ".nan", ".inf", "9" * 400, "0x1F", "1_000", "no", "'", '"', "|", ">-", "\t",
    "\x00", "\u2028", "二", "🎲", "- - - x", "? a", "%YAML 1.1", "---", "...", "#", ": :", "64", '"64"', "-1", "0",
    "true", "a, b", "[1, 2]", "{fsdp: -1}", "{greedy: {temperature: x}}", "[{use: accuracy, weight: y}]",
    "x" * 5000, "~nobody_at_all/x", "../../etc/passwd", "gs://x/items", "/dev/null/x", "a/" * 3000, "tiny, tiny",
)  # fmt: skip


def mutate(text: str, rng: random.Random) -> str:
    """One to four random damages of a recipe's text."""
    for _ in range(rng.randint(1, 4)):
        lines = text.split("\n")
        place = rng.randrange(len(lines))
        match rng.randrange(10):
            case 0:  # a value swapped for a hostile one
                name = lines[place].partition(":")[0]
                lines[place] = f"{name}: {rng.choice(HOSTILE)}"
            case 1:
                lines.insert(place, rng.choice(HOSTILE))
            case 2:
                lines[place] = " " * rng.randint(1, 5) + lines[place]
            case 3:
                lines.insert(place, lines[rng.randrange(len(lines))])
            case 4:
                del lines[place]
            case 5:
                lines.insert(place, f"{rng.choice(list(Recipe.model_fields))}: {rng.choice(HOSTILE)}")
            case 6:  # a letter of a key or value changed
                line = lines[place]
                spot = rng.randrange(len(line) + 1)
                lines[place] = (
                    line[:spot] + chr(rng.choice((rng.randrange(32, 127), rng.randrange(0x4000)))) + line[spot + 1 :]
                )
            case 7:
                lines[place] = lines[place][: rng.randrange(len(lines[place]) + 1)]
            case 8:
                lines[place] = lines[place].replace(":", rng.choice((" ", "::", "=", ": [", ": {")), 1)
            case _:
                text = "\n".join(lines)
                return text[: rng.randrange(len(text) + 1)]
        text = "\n".join(lines)
    return text


def assert_every_error_has_its_line(reading: RecipeReading, text: str) -> None:
    last = len(text.splitlines()) + 1
    for finding in reading.findings:
        assert finding.problem and finding.fix and finding.file
        assert "\n" not in str(finding)
        if finding.line is None:
            # Only a key that the text does not have, or a text without any, has no line.
            assert (finding.key,) not in reading.source.lines, str(finding)
            assert (finding.key.partition(".")[0],) not in reading.source.lines, str(finding)
            assert finding.key or reading.recipe is None, str(finding)
        else:
            assert 1 <= finding.line <= last, str(finding)


@pytest.mark.parametrize("part", range(4))
def test_mutated_recipes_never_raise_and_name_their_lines(part: int) -> None:
    rng = random.Random(part)
    originals = [path.read_text(encoding="utf-8") for path in sorted(shipped.RECIPES.glob("*.yaml"))]
    refused = 0
    slowest = 0.0
    for _ in range(COUNT // 4):
        text = mutate(rng.choice(originals), rng)
        start = time.perf_counter()
        reading = read_recipe_text(text, "mutated.yaml")
        slowest = max(slowest, time.perf_counter() - start)
        assert_every_error_has_its_line(reading, text)
        refused += bool(reading.errors)
    assert slowest < 2
    assert refused > COUNT // 4 // 2


def test_mutated_recipes_are_checked_to_the_end_without_raising(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = random.Random(99)
    original = "max_samples: 4\n" + (shipped.RECIPES / "quickstart.yaml").read_text(encoding="utf-8")
    keys = ("dataset_dir", "dataset", "output_dir", "model_name_or_path", "deepspeed", "cache_dir", "reward_funcs",
            "tokenizer_name_or_path", "system_prompt", "val_size", "mix_strategy", "model_revision")  # fmt: skip
    for number in range(1000):
        text = mutate(original, rng) if number % 2 else f"{original}\n{rng.choice(keys)}: {rng.choice(HOSTILE)}\n"
        text = "\n".join(dict.fromkeys(text.split("\n")[::-1]))  # the last of two equal lines first, once
        for finding in check(read_recipe_text(text, "mutated.yaml"), LAPTOP).findings:
            assert "\n" not in str(finding)
