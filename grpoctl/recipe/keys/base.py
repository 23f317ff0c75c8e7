"""What is a key made of? The types and the one constructor that every section uses."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Keys(BaseModel):
    """A section of the recipe: frozen, strict about types, closed to unknown keys."""

    # Strict, because YAML says what is a number and what is text: LLaMA-Factory turns `lora_rank: "64"` into
    # an alpha of '6464'. Building is deferred so that only the joined Recipe pays for a validator: each takes 5 ms of
    # every start, so what modules hold of these is made with model_construct, which needs none.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        defer_build=True,
    )


def key(default: object, *, usual: str = "", llamafactory: object = None, **limits: Any) -> Any:
    """A key's default and limits; `usual` goes into errors, `llamafactory` is their default where ours differs."""
    notes = {"usual": usual, "llamafactory": llamafactory}
    extra: Any = {name: note for name, note in notes.items() if note not in ("", None)}
    return Field(default, json_schema_extra=extra or None, **limits)


_WORDS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


def switch(value: object) -> object:
    return _WORDS.get(value.lower(), value) if isinstance(value, str) else value


def split(value: object) -> object:
    """`a, b` or [a, b] as a tuple, which stays frozen; null, which LLaMA-Factory takes, as none."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, list) else value


def _numbers(value: object) -> object:
    """`128, 128` or 128 or [128, 128] as a tuple."""
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        return tuple(int(part) if part.isascii() and part.isdigit() else part for part in parts)
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _before(change: Callable[[object], object], accepted: Any) -> BeforeValidator:
    return BeforeValidator(change, json_schema_input_type=accepted)


Word = Annotated[str, Field(min_length=1, max_length=4096)]
Switch = Annotated[bool, _before(switch, bool | Literal["yes", "no", "on", "off"])]
Words = Annotated[tuple[Word, ...], Field(max_length=256), _before(split, str | list[str] | None)]
Numbers = Annotated[tuple[Annotated[int, Field(ge=1, le=65536)], ...], _before(_numbers, int | list[int])]
