import pytest

from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import BadReward, all_rewards, ready_reward


def test_every_reward_has_a_summary_a_maximum_or_none_and_reaches_it_on_its_own_form() -> None:
    for name, reward in all_rewards().items():
        assert reward.summary.endswith("."), name
        assert reward.function.__name__ == name
        assert reward.maximum is None or reward.maximum > 0


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
