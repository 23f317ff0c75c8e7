"""grpoctl parity, by its exit codes and its document."""

import json
from collections.abc import Callable

import pytest

pytest.importorskip("trl")
pytest.importorskip("tunix")

from grpoctl.engines.tunix import translate
from grpoctl.parity import losses, replay
from grpoctl.parity.cases import cases_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

Grpoctl = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them take half a minute, and tests/test_parity.py has them."""
    names = ("the recipe", "dapo, KL")
    monkeypatch.setattr(losses, "cases_of", lambda recipe: [c for c in cases_of(recipe) if c.name in names])


def test_engines_that_agree_are_exit_0_and_a_table(grpoctl: Grpoctl) -> None:
    code, out, _ = grpoctl("parity", "quickstart", "--steps", "0")
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines()[1:5]] == [
        "step",
        "the recipe",
        "dapo, KL",
        "2 of 2 agree within 1e-05",
    ]


def test_json_is_one_document_with_every_difference(grpoctl: Grpoctl) -> None:
    code, out, said = grpoctl("parity", "quickstart", "--steps", "0", "--json")
    document = json.loads(out)
    assert (code, document["ok"], document["replay"]) == (0, True, None)
    assert [case["name"] for case in document["cases"]] == ["the recipe", "dapo, KL"]
    assert document["cases"][0].keys() == {"name", "loss_difference", "gradient_difference", "tolerance", "ok"}
    assert "comparing" in said


def test_engines_that_differ_are_exit_1(grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch) -> None:
    right = translate.loss_settings
    monkeypatch.setattr(translate, "loss_settings", lambda recipe: right(recipe) | {"kl_loss_mode": "kl"})
    code, out, _ = grpoctl("parity", "quickstart", "--steps", "0")
    assert code == 1
    assert "dapo, KL" in next(line for line in out.splitlines() if line.endswith("differs"))


def test_a_training_that_differs_is_exit_1_and_in_the_document(
    grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = {"advantages": 0.0, "losses": 0.0, "kls": 0.0, "grad_norms": 0.0, "weights": 0.02}
    found = replay.Comparison(steps=4, learning_rate=1e-3, **numbers)
    monkeypatch.setattr(replay, "compare_replays", lambda recipe, steps: found)
    code, out, _ = grpoctl("parity", "quickstart", "--steps", "4", "--json")
    assert code == 1
    document = json.loads(out)
    assert document["replay"] == {**numbers, "steps": 4, "learning_rate": 1e-3, "tolerance": 0.01, "ok": False}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["quickstart", "epsilon=2"], "epsilon"),
        (["quickstart", "--steps", "-1"], "--steps: is -1; use 0 or more."),
        (["nothing_of_that_name"], "nothing_of_that_name"),
    ],
)
def test_what_is_given_wrong_is_exit_2(grpoctl: Grpoctl, words: list[str], said: str) -> None:
    code, out, error = grpoctl("parity", *words)
    assert (code, out) == (2, "")
    assert said in error


def test_a_missing_engine_is_exit_2_and_says_what_to_install(grpoctl: Grpoctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "grpoctl.engines.base.missing_packages", lambda names: [n for n in names if n == "google-tunix"]
    )
    code, _, error = grpoctl("parity", "quickstart")
    assert code == 2
    assert "lacks google-tunix; install them: pip install 'grpoctl[tunix]'" in error
