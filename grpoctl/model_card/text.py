"""How do values and tables stand in a model card?"""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from grpoctl.model_files import is_remote


def model_name(name: str) -> str:
    """A model of the hub by its whole name, any other by the last part of its path."""
    return name if is_remote(name) and "://" not in name else last_part(name)


def last_part(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name


def steps(count: int | None) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """The first row is the head; numbers stand on the right, behind the first column."""
    head, *others = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---", *(["---:"] * (len(head) - 1))], *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fenced(language: str, text: str) -> str:
    """A block of code, in a fence longer than any inside it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}{fence}"


def as_yaml(value: dict[str, Any]) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10**6))
