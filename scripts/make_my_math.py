"""Writes data/my_math_data.json: the LLaMA-Factory document's two rows, and more of the same two kinds.

python scripts/make_my_math.py
"""

import random
from pathlib import Path

from make_arithmetic import json_list

ROWS = 200
DOCUMENT = [
    {"instruction": "计算 (3 + 5) × 2 = ?", "input": "", "output": "16"},
    {"instruction": "求解方程 2x + 3 = 11", "input": "", "output": "x = 4"},
]


def make_rows(seed: int = 0) -> list[dict[str, str]]:
    """The document's rows first, then sums with a product and linear equations in turn, no question twice."""
    rng = random.Random(seed)
    rows = list(DOCUMENT)
    asked = {row["instruction"] for row in rows}
    while len(rows) < ROWS:
        row = _product(rng) if len(rows) % 2 == 0 else _equation(rng)
        if row["instruction"] not in asked:
            asked.add(row["instruction"])
            rows.append(row)
    return rows


def _product(rng: random.Random) -> dict[str, str]:
    a, b, c = rng.randint(2, 20), rng.randint(2, 20), rng.randint(2, 9)
    return {"instruction": f"计算 ({a} + {b}) × {c} = ?", "input": "", "output": str((a + b) * c)}


def _equation(rng: random.Random) -> dict[str, str]:
    a, b, x = rng.randint(2, 9), rng.randint(1, 20), rng.randint(1, 20)
    return {"instruction": f"求解方程 {a}x + {b} = {a * x + b}", "input": "", "output": f"x = {x}"}


if __name__ == "__main__":
    target = Path(__file__).parents[1] / "data" / "my_math_data.json"
    target.write_text(json_list(make_rows()), encoding="utf-8")
