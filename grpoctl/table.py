"""How do rows line up on a terminal, where a Chinese character takes two columns?"""

import unicodedata
from collections.abc import Container, Sequence


def table(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """A line for each row, every column as wide as its widest cell; numbers stand better at the `right` of theirs."""
    widths = [max(map(columns_of, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            _pad(cell, width, place in right) for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def columns_of(text: str) -> int:
    """How many columns a terminal gives a text."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _pad(cell: str, width: int, to_the_right: bool) -> str:
    space = " " * (width - columns_of(cell))
    return space + cell if to_the_right else cell + space
