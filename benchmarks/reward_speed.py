"""How fast are the rewards that check answers, beside the least that could do the same?

    python benchmarks/reward_speed.py [--rounds 9] [--pairs 2000] [--gsm8k FILE]

`accuracy` and `check_answer` beside a bare regular expression and float(); `math` beside bare math-verify, on numbers
(which it settles itself) and on LaTeX expressions (which it cannot). Completions are as long as GSM8K's solutions: made
up here, or with --gsm8k those of its train.jsonl. Each round times both in turn on texts that no round before it had,
as math-verify and sympy remember some; a ratio is the bare seconds by the reward's, the median over the rounds. One
core, one thread.
"""

import argparse
import json
import logging
import os
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from grpoctl.rewards.graded import check_answer
from grpoctl.rewards.math import math
from grpoctl.rewards.verifiable import accuracy

Judge = Callable[[Sequence[str], Sequence[str]], Sequence[float | None]]
Batch = tuple[list[str], list[str]]  # completions and gold answers

_SENTENCE = "She sells {0} eggs for $2 each, so she makes {0} * 2 = <<{0}*2={1}>>{1} dollars every day. "


def solutions(file: Path | None) -> list[str]:
    """Worked solutions: GSM8K's, or made up at about their length of 290 characters."""
    if file is None:
        return [_SENTENCE.format(n, 2 * n) * 3 for n in range(1000)]
    rows = [json.loads(line)["answer"] for line in file.read_text(encoding="utf-8").splitlines()]
    return [row.rpartition("####")[0] for row in rows]


def numbers(reasoning: list[str], count: int, turn: int) -> Batch:
    """Answers as models give them: two of three right, now and then with decimals or thousands separators."""
    chance = random.Random(turn)
    gold = [str(chance.randrange(1, 50_000)) for _ in range(count)]
    said = [
        chance.choice([answer, f"{int(answer):,}", f"{answer}.00", answer, str(int(answer) + 1), str(2 * int(answer))])
        for answer in gold
    ]
    texts = [f"<reasoning>\n{chance.choice(reasoning)}\n</reasoning>\n<answer>{answer}</answer>" for answer in said]
    return texts, gold


def expressions(reasoning: list[str], count: int, turn: int) -> Batch:
    """Fractions, roots and polynomials, eight answers to each problem, every other one wrong by one."""
    said, gold = [], []
    for row in range(count):
        n, scale, off = 100 + turn * count + row // 8, row % 8 + 2, row % 2
        kind = n % 3
        if kind == 0:
            said.append(rf"\frac{{{n * scale + off}\pi}}{{{scale * 7}}}")
            gold.append(rf"\frac{{{n}\pi}}{{7}}")
        elif kind == 1:
            said.append(rf"\frac{{{n * scale}\sqrt{{8}}+{off}}}{{{scale}}}")
            gold.append(rf"{2 * n}\sqrt{{2}}")
        else:
            said.append(rf"{scale}x^2+{2 * n}x+{n * n + off}-{scale - 1}x^2")
            gold.append(f"(x+{n})^2")
    return [f"<reasoning>\n{reasoning[0]}\n</reasoning>\n<answer>{answer}</answer>" for answer in said], gold


_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def bare_float(completions: Sequence[str], gold: Sequence[str]) -> list[float]:
    scores = []
    for text, answer in zip(completions, gold, strict=True):
        match = _TAGGED.search(text)
        try:
            right = match is not None and float(match[1].replace(",", "")) == float(answer.replace(",", ""))
        except ValueError:
            right = False
        scores.append(float(right))
    return scores


def bare_math_verify(completions: Sequence[str], gold: Sequence[str]) -> list[float]:
    math_verify = import_module("math_verify")
    scores = []
    for text, answer in zip(completions, gold, strict=True):
        match = _TAGGED.search(text)
        said = match[1] if match is not None else ""
        parsed = [math_verify.parse(f"${part}$", parsing_timeout=None) for part in (answer, said)]
        scores.append(float(math_verify.verify(*parsed, timeout_seconds=None)))
    return scores


def compare(reward: Judge, bare: Judge, batches: Sequence[Batch]) -> dict[str, float]:
    seconds: list[tuple[float, float]] = []
    agreeing = total = 0
    for number, (completions, gold) in enumerate(batches):
        began = time.perf_counter()
        by_bare = bare(completions, gold)
        between = time.perf_counter()
        by_reward = reward(completions, gold)
        ended = time.perf_counter()
        if number:  # the first starts math's process and fills the parsers' tables
            seconds.append((between - began, ended - between))
            most = max(score or 0.0 for score in by_reward)
            agreeing += sum(one == (other == most) for one, other in zip(by_bare, by_reward, strict=True))
            total += len(gold)
    size = len(batches[0][0])
    return {
        "bare_per_s": round(size / statistics.median(one for one, _ in seconds)),
        "reward_per_s": round(size / statistics.median(other for _, other in seconds)),
        "ratio": round(statistics.median(one / other for one, other in seconds), 2),
        "agreement": round(agreeing / total, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--gsm8k", type=Path)
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # math-verify warns that its time-outs are off
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    reasoning = solutions(args.gsm8k)
    number_batches = [numbers(reasoning, args.pairs, turn) for turn in range(args.rounds + 1)]
    few = [(texts[:400], gold[:400]) for texts, gold in number_batches]
    hard = [expressions(reasoning, 200, turn) for turn in range(args.rounds + 1)]
    rows: list[tuple[str, str, Judge, Judge, Sequence[Batch]]] = [
        ("accuracy", "numbers", accuracy, bare_float, number_batches),
        ("check_answer", "numbers", check_answer, bare_float, number_batches),
        ("math", "numbers", math, bare_math_verify, few),
        ("math", "expressions", math, bare_math_verify, hard),
    ]
    for name, texts, reward, bare, batches in rows:
        print(json.dumps({"reward": name, "texts": texts, **compare(reward, bare, batches)}), flush=True)


if __name__ == "__main__":
    main()
