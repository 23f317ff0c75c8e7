"""The recipe as a form: a field for every key of the schema, with what is written in the text beside it."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from grpoctl.errors import InputError
from grpoctl.recipe.docs import json_schema, meanings
from grpoctl.recipe.load import read_recipe_text
from grpoctl.recipe.schema import SECTIONS, Recipe
from grpoctl.recipe.validate import as_yaml
from webui.chinese_keys import KEYS, SECTION_TITLES
from webui.html import Markup, h
from webui.page import Answer, Page
from webui.recipes import edit
from webui.recipes.choices import dataset_names, model_names, reward_names

# Those that people change first; all others stand below them, folded.
_FIRST = {
    "engine", "num_generations", "reward_funcs", "pref_beta", "model_name_or_path", "finetuning_type", "lora_rank",
    "dataset", "eval_dataset", "system_prompt", "max_completion_length", "temperature", "learning_rate", "max_steps",
    "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "seed", "save_steps",
    "eval_strategy", "nproc_per_node", "use_vllm", "bf16",
}  # fmt: skip
# How an empty text is written in a field, and in the YAML.
_EMPTY = '""'
_LISTS: dict[str, Callable[[], list[str]]] = {"datasets": dataset_names, "models": model_names}
_FROM_LIST = {"dataset": "datasets", "eval_dataset": "datasets", "model_name_or_path": "models"}


def view(page: Page) -> Markup:
    """The form. What cannot be read as YAML leaves it as it was last, empty at first."""
    text, say = page.text("text"), page.say
    try:
        values = edit.values_of(text)
    except InputError:
        return h("p", say("The form waits until the YAML can be read again."), class_="note")
    wrong: dict[str, str] = {}
    for finding in read_recipe_text(text, "YAML").errors:
        wrong.setdefault(finding.key.partition(".")[0], f"{finding.problem}; {finding.fix}")
    sections = [_section(page, section, values, wrong) for section in SECTIONS]
    lists = [h("datalist", *[h("option", value=each) for each in names()], id=name) for name, names in _LISTS.items()]
    title = say("Keys of the recipe")
    return h("form", *sections, *lists, class_="sections", onsubmit="return false", aria_label=title)


def _section(page: Page, section: Any, values: dict[str, str | None], wrong: dict[str, str]) -> Markup:
    name, say = section.__name__, page.say
    first = [key for key in section.model_fields if key in _FIRST]
    rest = [key for key in section.model_fields if key not in _FIRST]
    part = f"more-{name}"
    # A fault may not hide in a folded part.
    is_open = page.flag(part) or any(key in wrong for key in rest)
    written = sum(key in values for key in rest)
    more = say("{n} more keys", n=len(rest)) + (f" · {say('{n} written', n=written)}" if written else "")
    title = str(section.__doc__)
    return h(
        "fieldset",
        h("legend", SECTION_TITLES.get(title, title) if say.language == "zh" else title),
        h("div", *[_field(page, key, values, wrong) for key in first], class_="grid") if first else None,
        h(
            "details",
            h("summary", more),
            h("div", *[_field(page, key, values, wrong) for key in rest], class_="grid") if is_open else None,
            data_part=part,
            open=is_open,
        )
        if rest
        else None,
    )


def _field(page: Page, key: str, values: dict[str, str | None], wrong: dict[str, str]) -> Markup:
    say, meaning = page.say, _meanings()[key]
    help_ = KEYS.get(key, meaning) if say.language == "zh" else meaning
    return h(
        "div",
        h("label", key, for_=f"f-{key}"),
        _rewards(page, values) if key == "reward_funcs" else _input(page, key, values, key in wrong),
        h("small", wrong[key], class_="wrong", role="alert") if key in wrong else None,
        h("small", help_, id=f"h-{key}", class_="help", title=help_),
        class_=f"field{' wide' if key in ('system_prompt', 'reward_funcs') else ''}",
    )


def _input(page: Page, key: str, values: dict[str, str | None], wrong: bool) -> Markup:
    value, say = values.get(key, ""), page.say
    if value == "" and key in values and _is_text(key):
        value = _EMPTY  # which is not the same as left out
    usual: dict[str, Any] = {
        "id": f"f-{key}",
        "data_edit": key,
        "aria_describedby": f"h-{key}",
        "aria_invalid": "true" if wrong else None,
    }
    default = as_yaml(Recipe.model_fields[key].default)
    if value is None:
        return h("input", **usual, type="text", disabled=True, placeholder=say("written in the YAML"))
    choices = _choices(key)
    if choices and (not value or value in choices):
        unset = say("default: {value}", value=default) if default else say("default")
        options = [h("option", unset, value="", selected=not value)]
        options += [h("option", choice, value=choice, selected=choice == value) for choice in choices]
        return h("select", *options, **usual, data_value=value)
    return h(
        "input",
        **usual,
        type="text",
        value=value,
        data_value=value,
        placeholder=default,
        list=_FROM_LIST.get(key),
        autocomplete="off",
        spellcheck="false",
    )


def _is_text(key: str) -> bool:
    node = json_schema_of(key)
    return any(part.get("type") == "string" for part in [node, *node.get("anyOf", [])]) and not _choices(key)


def _rewards(page: Page, values: dict[str, str | None]) -> Markup:
    """What is there to switch on, and what the recipe has beside it."""
    try:
        items = edit.items_of(page.text("text"), "reward_funcs")
    except InputError:
        items = []
    known = reward_names()
    used = {_name_of(item) for item in items}
    chips = [
        h(
            "button",
            name,
            type="button",
            class_="chip",
            aria_pressed=str(name in used).lower(),
            data_act="reward",
            data_args={"name": name},
            title=meaning,
        )
        for name, meaning in known.items()
    ]
    others = [item for item in items if _name_of(item) not in known or item != _name_of(item)]
    return h(
        "div",
        h("div", *chips, class_="chips", role="group", aria_label="reward_funcs"),
        h("small", page.say("in the YAML: {items}", items=", ".join(others)), class_="quiet") if others else None,
        id="f-reward_funcs",
    )


def _name_of(item: str) -> str:
    """The reward that an entry uses: `accuracy`, or `{use: accuracy, weight: 2}`."""
    if not item.startswith("{"):
        return item.strip("'\"")
    inner = item.strip("{} ")
    named = [part.partition(":")[2].strip(" '\"") for part in inner.split(",") if part.strip().startswith("use:")]
    return named[0] if named else item


def change(page: Page, arguments: Any) -> Answer:
    """A field was changed: the text with that key's new value."""
    key, value = str(arguments.get("key")), str(arguments.get("value", "")).strip()
    if key not in Recipe.model_fields:
        return Answer()
    text = page.text("text")
    return Answer(write=edit.set_key(text, key, _as_yaml(key, value)) if value else edit.clear_key(text, key))


def switch_reward(page: Page, arguments: Any) -> Answer:
    """A reward's button was pressed: in, or out."""
    text, name = page.text("text"), str(arguments.get("name"))
    if name not in reward_names():
        return Answer()
    for place, item in enumerate(edit.items_of(text, "reward_funcs")):
        if _name_of(item) == name:
            return Answer(write=edit.remove_item(text, "reward_funcs", place))
    return Answer(write=edit.add_item(text, "reward_funcs", name))


def _as_yaml(key: str, value: str) -> str:
    """What was typed, as the key's kind of value; what fits none stays as it is, for check to name."""
    if value == _EMPTY:
        return _EMPTY
    node = json_schema_of(key)
    kinds = {part.get("type") for part in [node, *node.get("anyOf", [])]}
    if "array" in kinds:
        parts = [part.strip() for part in value.strip("[]").split(",") if part.strip()]
        numbers = any(part.get("items", {}).get("type") == "integer" for part in [node, *node.get("anyOf", [])])
        return edit.in_list(parts if numbers else [edit.as_text(part) for part in parts])
    if kinds & {"integer", "number", "boolean"} and "string" not in kinds:
        return value
    if _choices(key) and value in _choices(key):
        return value
    return edit.as_text(value)


@lru_cache
def json_schema_of(key: str) -> dict[str, Any]:
    return dict(_schema()[key])


@lru_cache
def _schema() -> dict[str, Any]:
    return dict(json_schema()["properties"])


@lru_cache
def _meanings() -> dict[str, str]:
    return {key: meaning for section in SECTIONS for key, meaning in meanings(section).items()}


@lru_cache
def _choices(key: str) -> tuple[str, ...]:
    """The few values that a key may have."""
    node = json_schema_of(key)
    parts = [node, *node.get("anyOf", [])]
    if any(part.get("type") == "boolean" for part in parts) and not any(
        set(part.get("enum", [])) - {"yes", "no", "on", "off"} for part in parts
    ):
        return ("true", "false")
    if any(part.get("type") in ("string", "number", "integer") and "enum" not in part for part in parts):
        return ()
    return tuple(
        str(each) for part in parts for each in part.get("enum", []) + ([part["const"]] if "const" in part else [])
    )
