import json
from pathlib import Path
from typing import Any

import pytest

from grpoctl import shipped
from grpoctl.recipe.docs import json_schema, json_schema_text, markdown, meanings
from grpoctl.recipe.schema import SECTIONS, Recipe
from grpoctl.recipe.yaml_text import parse

DOCS = Path(__file__).parents[2] / "docs" / "recipe.md"


def test_the_committed_docs_and_schema_are_current() -> None:
    assert DOCS.read_text(encoding="utf-8") == markdown(), "run: python -m grpoctl.recipe.docs"
    assert shipped.SCHEMA.read_text(encoding="utf-8") == json_schema_text(), "run: python -m grpoctl.recipe.docs"


def test_every_key_has_a_sentence() -> None:
    for section in SECTIONS:
        sentences = meanings(section)
        assert sentences.keys() == section.model_fields.keys()
        assert [name for name, sentence in sentences.items() if not sentence.endswith(".")] == []


def test_the_schema_knows_every_key_and_refuses_others() -> None:
    schema = json_schema()
    assert list(schema["properties"]) == [name for section in SECTIONS for name in section.model_fields]
    assert schema["additionalProperties"] is False


def schema_errors(recipe: Any) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema")
    return [error.message for error in jsonschema.Draft202012Validator(json_schema()).iter_errors(recipe)]


@pytest.mark.parametrize("name", shipped.recipe_names())
def test_the_schema_accepts_each_shipped_recipe(name: str) -> None:
    text = (shipped.RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    assert schema_errors(parse(text, name).value) == []


def test_the_schema_refuses_what_check_refuses() -> None:
    assert schema_errors(
        {"num_generations": 0, "lora_rank": "64", "num_genrations": 4, "mesh": {"fsdp": 0}, "stage": "sft"}
    )
    assert (
        schema_errors({"num_generations": 2, "reward_funcs": [{"use": "accuracy", "weight": 0.5}], "mesh": {"fsdp": 2}})
        == []
    )


def test_the_schema_accepts_both_forms_of_a_list() -> None:
    kinds = {part["type"] for part in json_schema()["properties"]["reward_funcs"]["anyOf"]}
    assert kinds == {"string", "array"}


def test_every_default_is_a_value_that_the_recipe_takes() -> None:
    defaults = json.loads(Recipe().model_dump_json())
    text = {name: value for name, value in defaults.items() if value is not None and value != []}
    assert Recipe.model_validate(text) == Recipe()


def test_optimisers_are_those_of_transformers() -> None:
    training_args = pytest.importorskip("transformers.training_args")
    assert set(json_schema()["properties"]["optim"]["enum"]) <= {name.value for name in training_args.OptimizerNames}
