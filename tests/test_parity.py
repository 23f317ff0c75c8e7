"""TRL and Tunix compute the same from the same recipe, and the comparison sees it where they do not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("trl")
pytest.importorskip("tunix")

from grpoctl.advantage import advantages
from grpoctl.engines.trl import translate as for_trl
from grpoctl.engines.tunix import translate as for_tunix
from grpoctl.parity import losses
from grpoctl.parity.cases import cases_of
from grpoctl.parity.given import Case
from grpoctl.parity.replay import compare_replays
from grpoctl.recipe.load import read_recipe
from grpoctl.recipe.schema import Recipe

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def recipe(*overrides: str) -> Recipe:
    found = read_recipe("quickstart", overrides).recipe
    assert found is not None
    return found.resolved()


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Compare the steps of one name alone."""

    def take(name: str) -> None:
        monkeypatch.setattr(losses, "cases_of", lambda recipe: [c for c in cases_of(recipe) if c.name == name])

    return take


def changed(monkeypatch: pytest.MonkeyPatch, module: Any, function: str, **values: Any) -> None:
    """One engine is told something else than the recipe says."""
    right = getattr(module, function)
    monkeypatch.setattr(module, function, lambda *given, **named: right(*given, **named) | values)


def test_every_loss_agrees_to_five_digits() -> None:
    found = list(losses.compare_losses(recipe()))
    assert len(found) == 31  # the recipe's own, and five loss types in six ways
    assert [difference for difference in found if not difference.ok] == []
    assert max(difference.gradient_difference for difference in found) > 0  # so something was compared


def test_k1_in_place_of_k3_is_seen(only: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    only("grpo, KL")
    changed(monkeypatch, for_tunix, "loss_settings", kl_loss_mode="kl")
    [difference] = losses.compare_losses(recipe())
    assert difference.gradient_difference > 1e-3
    assert not difference.ok


def test_another_epsilon_on_one_engine_is_seen(only: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    only("dapo, clip-higher")
    changed(monkeypatch, for_trl, "grpo_arguments", epsilon_high=0.2)
    [difference] = losses.compare_losses(recipe())
    assert not difference.ok


def test_a_loss_that_is_no_number_agrees_with_nothing() -> None:
    assert not losses.Difference("nan", float("nan"), 0.0).ok


def case(name: str) -> Case:
    [found] = [each for each in cases_of(recipe()) if each.name == name]
    return found


def test_the_steps_have_what_their_names_say() -> None:
    plain, everything = case("grpo"), case("grpo, all of these, temperature 0.7")
    assert plain.old is None
    assert plain.reference is None
    assert plain.micro_batches == 1
    assert everything.reference is not None
    assert everything.micro_batches == 2
    assert (everything.mask.sum(1) == 0).sum() == 2
    assert everything.old is not None
    scaled = everything.logits / 0.7
    now = np.take_along_axis(scaled, everything.completion_ids[..., None], -1)[..., 0] - np.log(np.exp(scaled).sum(-1))
    ratio = np.exp(now - everything.old)
    for clipped in ((ratio < 0.8) & (everything.advantages[:, None] < 0), (ratio > 1.28) & (ratio < 2)):
        assert clipped[everything.mask].any()
    rewards = np.array([[1.0, 0.0, 0.25, 0.0], [1.5, 1.0, 0.0, 1.0]])
    assert np.allclose(plain.advantages, advantages(rewards).reshape(-1))


def test_both_engines_learn_the_same_from_the_same_completions() -> None:
    """Three steps of two micro-batches at the quickstart's rate, KL on: ten take the command a minute."""
    found = compare_replays(recipe(), 3)
    assert found.advantages == 0.0
    assert found.weights <= 1e-2
    assert found.ok
