"""Is the value that a recipe gives what the annotation of an argument says?"""

import inspect
import types
from collections.abc import Collection
from typing import Any, Literal, Union, get_args, get_origin

_TYPES: dict[Any, str] = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", tuple: "a list",
    dict: "a mapping", None: "null", types.NoneType: "null",
}  # fmt: skip


def fits(value: object, wanted: Any) -> bool:
    """Whether the value is what an annotation says, as far as YAML has such values."""
    kind, parts = get_origin(wanted), get_args(wanted)
    if kind in (Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if kind is Literal:
        return value in parts
    wanted = kind or wanted
    if wanted is None or wanted is types.NoneType:
        return value is None
    if not isinstance(wanted, type) or wanted in (object, inspect.Parameter.empty):
        return True
    if isinstance(value, bool):
        return wanted is bool
    if wanted is float:
        return isinstance(value, int | float)
    if isinstance(value, list) and not issubclass(wanted, str) and issubclass(wanted, Collection):
        # YAML has no other kind of list.
        return wanted is not dict and all(fits(part, parts[0]) for part in value if kind and parts)
    return isinstance(value, wanted)


def in_words(wanted: Any) -> str:
    """What to give, for a person."""
    kind, parts = get_origin(wanted), get_args(wanted)
    if kind in (Union, types.UnionType):
        return " or ".join(map(in_words, parts))
    if kind is Literal:
        return " or ".join(map(str, parts))
    wanted = kind or wanted
    return _TYPES.get(wanted) or str(getattr(wanted, "__name__", wanted))
