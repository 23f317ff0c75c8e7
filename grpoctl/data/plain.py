"""What is a value of Arrow or of `datasets` in the words of JSON?"""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

# Stands for a value that JSON has no words for: bytes, a picture, a sound.
LEFT_OUT: Any = object()


def plain(value: Any) -> Any:
    """Text, number, truth value, list or mapping; dates as ISO text. LEFT_OUT for what is none of these."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, dict):
        held = {str(name): plain(inner) for name, inner in value.items()}
        return {name: inner for name, inner in held.items() if inner is not LEFT_OUT}
    if isinstance(value, list | tuple):
        return [inner for inner in map(plain, value) if inner is not LEFT_OUT]
    return LEFT_OUT
