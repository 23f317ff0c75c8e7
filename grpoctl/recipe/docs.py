"""The schema as people and editors read it: docs/recipe.md and recipes/recipe.schema.json.

`python -m grpoctl.recipe.docs` writes both; a test holds that they are current.
"""

import ast
import inspect
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from grpoctl import shipped
from grpoctl.recipe.schema import SECTIONS, Recipe
from grpoctl.recipe.validate import as_yaml, inner_model

_HEAD = """# Keys of a recipe

Written by `python -m grpoctl.recipe.docs` from `grpoctl/recipe/keys/`; edit it there.

A recipe is a YAML file of these keys. `key=value` after it on the command line overrides one; dots reach inside
(`eval_modes.greedy.temperature=0.1`). A key that is not listed here is refused. "LLaMA-Factory" marks a default that
differs from theirs.
"""


def json_schema() -> dict[str, Any]:
    """The recipe as a JSON schema, in the order of the sections."""
    schema = Recipe.model_json_schema()
    properties = schema["properties"]
    schema["properties"] = {name: properties[name] for section in SECTIONS for name in section.model_fields}
    for section in SECTIONS:
        _describe(section, schema)
    for model in _inner_models(Recipe):
        _describe(model, schema["$defs"][model.__name__])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "grpoctl recipe", **schema}


def _describe(model: type[BaseModel], mapping: dict[str, Any]) -> None:
    """Give each of the model's keys its meaning."""
    mapping.pop("title", None)
    for name, meaning in meanings(model).items():
        node = mapping["properties"][name]
        node.pop("title", None)  # the key itself, capitalised
        mapping["properties"][name] = dict(sorted({**node, "description": meaning}.items()))


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """The docstring under each of a model's own keys. pydantic can read them too, and then every start pays for it."""
    (declared,) = ast.parse(inspect.getsource(model)).body
    found = {}
    for key, below in pairwise(declared.body if isinstance(declared, ast.ClassDef) else []):
        match key, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def _inner_models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The mappings inside it, at any depth."""
    for field in model.model_fields.values():
        inner = inner_model(field.annotation)
        if inner is not None:
            yield inner
            yield from _inner_models(inner)


def json_schema_text() -> str:
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


def markdown() -> str:
    """docs/recipe.md: a table a section, and one for each mapping inside it."""
    properties = json_schema()["properties"]
    parts = [_HEAD]
    for section in SECTIONS:
        parts.append(f"## {section.__doc__}\n")
        parts.append(_table(section, properties))
        for name, field in section.model_fields.items():
            inner = inner_model(field.annotation)
            if inner is not None:
                parts.append(f"### {name}\n\n{inner.__doc__}\n")
                parts.append(_table(inner, inner.model_json_schema()["properties"]))
    return "\n".join(parts)


def _table(section: type[BaseModel], properties: dict[str, Any]) -> str:
    meaning = meanings(section)
    rows = [
        f"| `{name}` | {_type(properties[name])} | {_default(field)} | {_in_a_cell(meaning[name])} |"
        for name, field in section.model_fields.items()
    ]
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows, ""])


def _type(node: dict[str, Any]) -> str:
    """The accepted values in words."""
    if "anyOf" in node:
        kinds = list(dict.fromkeys(_type(part) for part in node["anyOf"] if part.get("type") != "null"))
        return " or ".join(kinds)
    if "enum" in node:
        return ", ".join(f"`{choice}`" for choice in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    if "$ref" in node or node.get("type") == "object":
        return "mapping"
    return {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true, false",
        "array": "list",
    }[node["type"]] + _range(node)


def _range(node: dict[str, Any]) -> str:
    low, above = node.get("minimum"), node.get("exclusiveMinimum")
    high, below = node.get("maximum"), node.get("exclusiveMaximum")
    words = []
    if low is not None:
        words.append(f"from {low:g}")
    if above is not None:
        words.append(f"above {above:g}")
    if high is not None and high < 1000:  # larger ones only keep nonsense out
        words.append(f"to {high:g}")
    if below is not None:
        words.append(f"below {below:g}")
    return f" {' '.join(words)}" if words else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    text = as_yaml(field.default)
    if not text:
        return ""
    extra = field.json_schema_extra
    theirs = extra.get("llamafactory") if isinstance(extra, dict) else None
    return f"`{text}`" + (f" (LLaMA-Factory {theirs})" if theirs is not None else "")


def _in_a_cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    shipped.SCHEMA.write_text(json_schema_text(), encoding="utf-8")
    Path("docs/recipe.md").write_text(markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
