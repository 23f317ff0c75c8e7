import pytest

from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards import registry
from grpoctl.rewards.registry import BadReward, all_rewards, ready_reward


def test_every_reward_reaches_its_maximum_on_a_perfect_completion() -> None:
    perfect = "<reasoning>40 + 2</reasoning>\n<answer>42</answer>"
    for name in all_rewards():
        ready = ready_reward(RewardUse(use=name), Recipe(reasoning_tag="reasoning"))
        assert ready.score([perfect], {"answer": ["42"]}) == [ready.reward.maximum], name


def test_an_argument_of_a_number_or_a_switch_is_held_to_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REWARDS", dict(all_rewards()))

    def shortness(completions: list[str], *, scale: float = 1.0, limit: int = 9) -> list[float | None]:
        """Less for longer ones."""
        return [0.0]

    registry.reward(maximum=None)(shortness)
    ready_reward(RewardUse(use="shortness", args={"scale": 2, "limit": 3}), Recipe())
    for args in ({"scale": True}, {"limit": True}, {"limit": 1.5}, {"scale": "2"}):
        with pytest.raises(BadReward):
            ready_reward(RewardUse(use="shortness", args=args), Recipe())


def test_a_misspelt_reward_suggests_the_nearest() -> None:
    with pytest.raises(BadReward) as caught:
        ready_reward(RewardUse(use="acuracy"), Recipe())
    assert str(caught.value) == "names acuracy, which is no reward; did you mean accuracy?"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"answer_tg": "final"}, "is no argument of accuracy; did you mean answer_tag?"),
        ({"wieght": 2}, "is no argument of accuracy; accuracy takes answer_tag"),
        ({"answer_tag": 3}, "is 3; give a str"),
    ],
)
def test_arguments_are_checked_against_the_signature(args: dict[str, object], message: str) -> None:
    with pytest.raises(BadReward) as caught:
        ready_reward(RewardUse(use="accuracy", args=args), Recipe())
    assert str(caught.value) == message


def test_tags_come_from_the_recipe_unless_the_entry_names_them() -> None:
    recipe = Recipe(reasoning_tag="reasoning", answer_tag="final")
    plain = ready_reward(RewardUse(use="format"), recipe)
    own = ready_reward(RewardUse(use="format", args={"answer_tag": "answer"}), recipe)
    completion = ["<reasoning>a</reasoning><final>1</final>"]
    assert plain.score(completion, {}) == [1.0]
    assert own.score(completion, {}) == [0.0]
