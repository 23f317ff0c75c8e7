"""One key of a recipe's text is changed, and every other letter stays."""

import difflib

import pytest

from grpoctl import shipped
from grpoctl.errors import InputError
from grpoctl.recipe.load import read_recipe_text
from grpoctl.recipe.schema import Recipe
from webui.recipes.edit import add_item, as_text, clear_key, items_of, remove_item, set_key, values_of

TEXT = """# head
seed: 3            # mine
output_dir:        # empty
reward_funcs:      # two
  - accuracy       # first
  # between
  - use: format
    weight: 0.5    # half

# tail
max_steps: 10
"""


def changed(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def test_a_value_is_exchanged_and_its_comment_keeps_its_column() -> None:
    assert changed(TEXT, set_key(TEXT, "seed", "1234")) == ["-seed: 3            # mine", "+seed: 1234         # mine"]


def test_a_key_without_a_value_gets_one() -> None:
    after = set_key(TEXT, "output_dir", "saves/x")
    assert changed(TEXT, after) == [
        "-output_dir:        # empty",
        "+output_dir: saves/x  # empty",
    ]


def test_a_value_too_long_for_the_column_keeps_two_spaces() -> None:
    assert "seed: 12345678901234567  # mine\n" in set_key(TEXT, "seed", "12345678901234567")


def test_a_key_is_taken_out_with_its_line() -> None:
    assert changed(TEXT, set_key(TEXT, "max_steps", None)) == ["-max_steps: 10"]
    assert set_key(TEXT, "temperature", None) == TEXT


def test_a_key_that_is_cleared_and_filled_again_keeps_its_comment() -> None:
    cleared = clear_key(TEXT, "seed")
    assert changed(TEXT, cleared) == ["-seed: 3            # mine", "+# seed:            # mine"]
    assert set_key(cleared, "seed", "3") == TEXT
    assert changed(TEXT, set_key(cleared, "seed", "41")) == ["-seed: 3            # mine", "+seed: 41           # mine"]
    assert "seed: 12345678901234567  # mine\n" in set_key(cleared, "seed", "12345678901234567")
    assert clear_key(TEXT, "max_steps") == set_key(TEXT, "max_steps", None)  # without one its line goes
    assert clear_key(TEXT, "reward_funcs") == set_key(TEXT, "reward_funcs", None)
    assert clear_key(TEXT, "temperature") == TEXT


def test_a_list_is_taken_out_with_all_its_lines() -> None:
    after = set_key(TEXT, "reward_funcs", None)
    assert "format" not in after and "# tail" in after and "# empty" in after


def test_a_new_key_stands_where_the_documentation_has_it() -> None:
    assert set_key("num_generations: 8\nseed: 1\n", "temperature", "0.9").splitlines() == [
        "num_generations: 8",
        "temperature: 0.9",
        "seed: 1",
    ]
    assert set_key("# only a comment", "seed", "1") == "# only a comment\nseed: 1\n"
    assert set_key("", "seed", "1") == "seed: 1\n"


def test_an_item_is_added_below_the_others_and_taken_out() -> None:
    after = add_item(TEXT, "reward_funcs", "length")
    assert changed(TEXT, after) == ["+  - length"]
    assert changed(TEXT, remove_item(TEXT, "reward_funcs", 0)) == ["-  - accuracy       # first"]
    assert remove_item(after, "reward_funcs", 2) == TEXT


def test_a_list_on_one_line_stays_on_one() -> None:
    text = "reward_funcs: accuracy,format\n"
    assert add_item(text, "reward_funcs", "length") == "reward_funcs: [accuracy, format, length]\n"
    assert remove_item(text, "reward_funcs", 0) == "reward_funcs: format\n"
    assert remove_item("reward_funcs: accuracy\nseed: 1\n", "reward_funcs", 0) == "seed: 1\n"


def test_items_and_values_are_read_as_they_are_written() -> None:
    assert items_of(TEXT, "reward_funcs") == ["accuracy", "{use: format, weight: 0.5}"]
    assert values_of("learning_rate: 2.0e-3\ndataset: [a, b]\nmesh: {fsdp: 2}\n") == {
        "learning_rate": "2.0e-3",
        "dataset": "a, b",
        "mesh": None,
    }


@pytest.mark.parametrize("value", ["a: b", "x # y", "yes", "true", "1e-6", "-", "", "  two ", "- a", "{", "你好", "'"])
def test_text_is_read_back_as_the_same_text(value: str) -> None:
    reading = read_recipe_text(f"system_prompt: {as_text(value)}\n", "x")
    assert reading.recipe is not None and reading.recipe.system_prompt == value


@pytest.mark.parametrize("name", shipped.recipe_names())
def test_every_key_of_every_recipe_can_be_set_and_taken_out(name: str) -> None:
    text = (shipped.RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    before = values_of(text)
    for key in Recipe.model_fields:
        after = set_key(text, key, "7")
        assert values_of(after) == {**before, key: "7"}, key
        assert values_of(clear_key(after, key)) == {k: v for k, v in before.items() if k != key}, key
        assert values_of(set_key(after, key, None)) == {k: v for k, v in before.items() if k != key}, key
        assert text.count("#") == after.count("#") or before.get(key, "") is None


def test_what_is_no_yaml_is_refused() -> None:
    with pytest.raises(InputError, match="mend the YAML first"):
        set_key("a: [1\n", "seed", "1")
