"""Which sums does the tiny model train on, and which does it never see?

Two-digit addition in five English phrasings, written as LLaMA-Factory alpaca rows whose output is the gold
answer alone. The split goes by the unordered pair of operands, so that a held-out 38 + 25 was not met as
25 + 38 either. Standard library only: a seed gives the same bytes wherever Python runs.
"""

import argparse
import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["train", "test"]

ROWS: dict[Split, int] = {"train": 2000, "test": 500}
NAMES = ("Tom", "Ana", "Sam", "Mia", "Leo", "Eva")
THINGS = ("apples", "coins", "books", "cards")
# The operands are the only numbers in a prompt: whoever reads a row can find the pair in it.
PHRASINGS = (
    "{name} has {a} {things} and gets {b} more. How many?",
    "{name} finds {a} {things}, then another {b}. How many in all?",
    "There are {a} {things} in one box and {b} in another. How many together?",
    "{name} sells {a} {things} on Monday and {b} on Friday. How many were sold?",
    "{a} {things} lie on a table and {b} on a shelf. How many are there?",
)


@dataclass(frozen=True)
class Problem:
    """One sum; `phrasing` is its place in PHRASINGS."""

    a: int
    b: int
    phrasing: int
    question: str

    @property
    def answer(self) -> str:
        return str(self.a + self.b)


def split_of(a: int, b: int) -> Split:
    """One unordered pair in five is held out, the same ones whatever the seed."""
    # crc32 and not hash(), which differs from one Python process to the next for strings
    return "test" if zlib.crc32(f"{min(a, b)}+{max(a, b)}".encode()) % 5 == 0 else "train"


def draw_problems(split: Split, rng: random.Random) -> Iterator[Problem]:
    """Endless problems of one split; a question may come twice."""
    while True:
        a, b = rng.randint(10, 99), rng.randint(10, 99)
        if split_of(a, b) == split:
            phrasing = rng.randrange(len(PHRASINGS))
            question = PHRASINGS[phrasing].format(a=a, b=b, name=rng.choice(NAMES), things=rng.choice(THINGS))
            yield Problem(a, b, phrasing, question)


def unique_problems(split: Split, seed: int) -> list[Problem]:
    # A generator of its own for each split: a change of one file's length leaves the other file alone.
    stream = draw_problems(split, random.Random(f"{seed} {split}"))
    by_question: dict[str, Problem] = {}
    while len(by_question) < ROWS[split]:
        problem = next(stream)
        by_question.setdefault(problem.question, problem)
    return list(by_question.values())


def json_list(rows: list[dict[str, str]]) -> str:
    """A JSON list with one row a line, so that a diff shows rows."""
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def write_data(to: Path, seed: int) -> list[Path]:
    to.mkdir(parents=True, exist_ok=True)
    paths = []
    for split in ROWS:
        path = to / f"tiny_arithmetic_{split}.json"
        rows = [{"instruction": p.question, "input": "", "output": p.answer} for p in unique_problems(split, seed)]
        path.write_text(json_list(rows), encoding="utf-8", newline="\n")
        paths.append(path)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="default: 0, the committed files")
    parser.add_argument("--to", type=Path, default=Path("data"), help="folder to write to (default: data)")
    args = parser.parse_args()
    for path in write_data(args.to, args.seed):
        print(path)


if __name__ == "__main__":
    main()
