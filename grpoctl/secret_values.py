"""Which values of the environment are secret, and how does a text lose them?

Whoever shares a run folder shares no password with it: what a program is told by HF_TOKEN and its like stands in no
manifest, event or log.
"""

import json
import os
import re
from collections.abc import Iterator

_SECRET = re.compile(r"(TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIAL)S?", re.IGNORECASE)

# A shorter one would be found in any text.
_SHORTEST = 8


def secret_values() -> dict[str, str]:
    """The secret values by the names of their variables, the longest first: one may begin with another."""
    found = {
        name: value
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST and _SECRET.fullmatch(name.rpartition("_")[2])
    }
    return dict(sorted(found.items(), key=lambda each: -len(each[1])))


def without_secrets(text: str) -> str:
    """The text with the variable's name in place of each value, plain or as JSON has it."""
    for name, value in secret_values().items():
        for form in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
            text = text.replace(form, f"<{name}>")
    return text


def secrets_in(value: object) -> Iterator[str]:
    """The names of the variables whose values stand in a text, or in a list or mapping of them."""
    if isinstance(value, str):
        yield from (name for name, secret in secret_values().items() if secret in value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from secrets_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from secrets_in(inner)
