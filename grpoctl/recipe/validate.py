"""Plain values against a pydantic model: the model, and every error in words with a remedy."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from grpoctl.errors import Finding, nearest, shown
from grpoctl.recipe.yaml_text import KeyPath, dotted

Model = TypeVar("Model", bound=BaseModel)
Locate = Callable[[KeyPath], tuple[str, int | None]]


def validate(model: type[Model], values: Mapping[str, Any], at: Locate) -> tuple[Model, list[Finding]]:
    """The model built from every key that is right, and a finding for every one that is wrong.

    A wrong key is left out and takes its default, so that what is right can be checked further. Every field of
    `model` must have a default for that.
    """
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    # A list whose items are wrong counts as too short as well; the items are what to mend.
    inner = {detail["loc"][:-1] for detail in details}
    findings = [_finding(model, detail, at) for detail in details if detail["loc"] not in inner]
    wrong = {detail["loc"][0] for detail in details}
    return model.model_validate({name: value for name, value in values.items() if name not in wrong}), findings


def _finding(model: type[BaseModel], detail: ErrorDetails, at: Locate) -> Finding:
    path = detail["loc"]
    file, line = at(path)
    field, owner = _field(model, path)
    problem, fix = _words(detail, field, owner)
    return Finding(problem, fix, key=dotted(path), file=file, line=line)


def _field(model: type[BaseModel], path: KeyPath) -> tuple[FieldInfo | None, type[BaseModel]]:
    """The field that a path names, and the model that it belongs to (the innermost one reached)."""
    field: FieldInfo | None = None
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        if field is None:
            break
        inner = inner_model(field.annotation)
        if inner is not None and part != path[-1]:
            model = inner
    return field, model


def inner_model(annotation: Any) -> type[BaseModel] | None:
    """The model inside `Mesh | None` or `tuple[RewardUse, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        found = inner_model(part)
        if found is not None:
            return found
    return None


def _words(detail: ErrorDetails, field: FieldInfo | None, owner: type[BaseModel]) -> tuple[str, str]:
    """Problem and remedy of one pydantic error."""
    kind, given, limits = detail["type"], detail["input"], detail.get("ctx", {})
    usual = _usual(field)
    if kind == "extra_forbidden":
        return unknown(str(detail["loc"][-1]), owner.model_fields)
    if kind == "missing":
        return "is missing", "give it a value"
    if given is None:
        return "is empty", f"give a value, or take the line out{_default(field)}"
    if kind == "literal_error":
        return _not_a_choice(given, field, limits["expected"])
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"is {shown(given)}", words.format(_number(limits[name])) + usual
    if kind in ("too_short", "string_too_short"):
        return "is empty", f"give a value, or take the line out{_default(field)}"
    if kind in ("too_long", "string_too_long"):
        return "is too long", f"use at most {limits['max_length']}"
    if kind == "string_pattern_mismatch":
        return f"is {shown(given)}", "use a plain word of letters and digits"
    if kind == "finite_number":
        return f"is {shown(given)}", f"use a finite number{usual}"
    if kind == "int_from_float" or (kind == "int_type" and isinstance(given, float)):
        near = f", such as {given:.0f}" if 1 <= abs(given) < 1e15 else ""
        return f"is {shown(given)}", f"use a whole number{near}{usual}"
    if kind in _WANTED:
        return f"is {shown(given)}", _wanted(kind, given) + usual
    return f"is {shown(given)}", detail["msg"].lower()


_LIMITS = {
    "greater_than_equal": ("ge", "use {} or more"),
    "greater_than": ("gt", "use a number above {}"),
    "less_than_equal": ("le", "use {} or less"),
    "less_than": ("lt", "use a number below {}"),
}

_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a comma list or a YAML list",
    "model_type": "a mapping of keys",
    "dict_type": "a mapping of keys",
}


def _wanted(kind: str, given: object) -> str:
    wanted = _WANTED[kind]
    if isinstance(given, str) and kind in ("int_type", "float_type") and _is_number(given):
        return f"write {given.strip()} without quotes"
    if kind == "string_type" and isinstance(given, int | float):
        return f'write "{shown(given)}" in quotes'
    return f"use {wanted}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip(" +-")[:1] in "0123456789." and "_" not in text and len(text) < 30


def _number(limit: object) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _not_a_choice(given: object, field: FieldInfo | None, expected: str) -> tuple[str, str]:
    choices = [choice.strip("'") for choice in expected.replace(" or ", ", ").split(", ")]
    close = nearest(given, choices) if isinstance(given, str) else None
    return f"is {shown(given)}", (f"did you mean {close}? The choices: " if close else "use one of ") + ", ".join(
        choices
    )


def unknown(name: str, known: Mapping[str, object]) -> tuple[str, str]:
    """Problem and remedy of a key that does not exist."""
    close = nearest(name, known)
    if close:
        return "is no key", f"did you mean {close}?"
    if len(known) <= 12:
        return "is no key", f"the keys here: {', '.join(known)}"
    return "is no key", "take it out; grpoctl schema lists the keys"


def _usual(field: FieldInfo | None) -> str:
    extra = field.json_schema_extra if field is not None else None
    usual = extra.get("usual") if isinstance(extra, dict) else None
    return f" ({usual})" if usual else ""


def _default(field: FieldInfo | None) -> str:
    if field is None or field.is_required() or not as_yaml(field.default):
        return ""
    return f" for the default {as_yaml(field.default)}"


def as_yaml(value: object) -> str:
    """A key's value as one writes it; nothing for a value that stands for being left out."""
    if value in (None, (), {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, BaseModel):
        return "{" + ", ".join(f"{name}: {as_yaml(inner)}" for name, inner in value) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)
