"""The tables for who comes from elsewhere name keys that there are."""

import re
from pathlib import Path

import pytest

from grpoctl.recipe.llamafactory import REFUSED
from grpoctl.recipe.schema import Recipe

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "coming_from.md").read_text(encoding="utf-8")
KEYS = set(Recipe.model_fields)


def their_keys() -> set[str]:
    """The fields of LLaMA-Factory's own argument classes, and of the one of transformers that they extend."""
    transformers = pytest.importorskip("transformers")
    own = (ROOT / "tests" / "documents" / "llamafactory_keys.txt").read_text().split()
    return {*own, *transformers.Seq2SeqTrainingArguments.__dataclass_fields__}


def table_under(words: str) -> list[list[set[str]]]:
    """The code words in each cell of the first table behind those words."""
    lines = PAGE[PAGE.index(words) :].splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("|---"))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        rows.append([set(re.findall(r"`([^`]+)`", cell)) for cell in line.strip("|").split("|")])
    assert rows
    return rows


def test_what_llamafactorys_users_keep_is_a_key_of_both() -> None:
    kept = set().union(*(row[1] for row in table_under("**Taken as they are:**")))
    assert len(kept) > 50
    assert kept <= KEYS
    assert kept <= their_keys()


def test_what_means_something_else_is_a_key_of_both() -> None:
    others = set().union(*(row[0] for row in table_under("**Taken, and something else")))
    assert others <= KEYS & their_keys()


def test_what_is_refused_is_refused_by_name() -> None:
    rows = table_under("**Refused by name:**")
    assert set().union(*(row[0] for row in rows)) <= set(REFUSED)
    instead = {word for row in rows for word in row[1] if " " not in word and not word.startswith("use:")}
    assert instead <= KEYS


def test_trls_fields_are_trls_and_ours_are_ours() -> None:
    rows = table_under("## From TRL")
    assert set().union(*(row[1] for row in rows)) <= KEYS
    trl = pytest.importorskip("trl")
    assert set().union(*(row[0] for row in rows)) <= set(trl.GRPOConfig.__dataclass_fields__)


def test_the_defaults_that_it_tells_are_those_used() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| [^|]* \|[^|]*[;,:] ?([\d.e-]+) \|$", PAGE, re.MULTILINE))
    told |= dict(re.findall(r"\| `(\w+)` \| TRL [\w.]+, here ([\w.]+) \|$", PAGE, re.MULTILINE))
    assert {"pref_beta", "per_device_train_batch_size", "loss_type", "max_completion_length"} <= set(told)
    for key, value in told.items():
        default = 512 if key in ("max_completion_length", "max_new_tokens") else Recipe.model_fields[key].default
        assert str(default) == value, key


def test_the_maxtext_scripts_constants_become_keys() -> None:
    assert set().union(*(row[1] for row in table_under("## From the MaxText script"))) <= KEYS
