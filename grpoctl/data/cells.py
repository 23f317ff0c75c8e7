"""What does a cell of a row say as text?"""

import math
import re
from collections.abc import Mapping
from typing import Any

# Half of an escaped pair, which no tokenizer takes.
_HALF = re.compile("[\ud800-\udfff]")


class NotText:
    """A value that is neither text nor a number."""


def text_in(values: Mapping[str, Any], column: str | None) -> str | NotText | None:
    """The text or number in a column; None where there is none."""
    value = values.get(column) if column else None
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.isascii() or _HALF.search(value) is None else NotText()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        # A column of whole numbers with gaps comes as floats out of Parquet; 1e15 and less are exact.
        return str(int(value)) if value.is_integer() and abs(value) <= 1e15 else str(value)
    return NotText()
