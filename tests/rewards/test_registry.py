import subprocess
import sys
from typing import Any

import pytest

from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards import registry
from grpoctl.rewards.registry import BadReward, all_rewards, ready_reward

# What each reward wants of a recipe or a data set beside the gold answer.
NEEDS: dict[str, dict[str, object]] = {
    "length": {"max_tokens": 50},
}
COLUMNS: dict[str, list[Any]] = {
    "answer": ["42"], "question": ["How many?"], "prompts": ["How many?"], "completion_tokens": [20],
    "tests": [None],
}  # fmt: skip
WITHOUT_A_MAXIMUM = {"model", "server"}


def test_every_reward_reaches_its_maximum_on_a_perfect_completion() -> None:
    perfect = "<reasoning>half of it, plus 2</reasoning>\n<answer>42</answer>"
    recipe = Recipe(reasoning_tag="reasoning", max_completion_length=100)
    for name in all_rewards().keys() - WITHOUT_A_MAXIMUM:
        ready = ready_reward(RewardUse(use=name, args=NEEDS.get(name, {})), recipe)
        said = perfect.replace("42", "print(42)") if name == "compiles" else perfect
        if name != "code":
            assert ready.score([said], COLUMNS) == [ready.reward.maximum], name


def test_every_reward_says_what_it_gives_in_one_line() -> None:
    for name, found in all_rewards().items():
        assert 20 < len(found.summary) < 120 and found.summary.endswith("."), name


def test_a_reward_that_is_named_is_had_without_the_modules_of_others() -> None:
    code = (
        "import sys; from grpoctl.recipe.keys.grpo import RewardUse; "
        "from grpoctl.rewards.registry import ready_reward; "
        "print(ready_reward(RewardUse(use='accuracy'), None).reward.name); "
        "print([m for m in sys.modules if m in ('asyncio', 'grpoctl.rewards.code', 'grpoctl.rewards.units')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.splitlines() == ["accuracy", "[]"]


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
        ({"wieght": 2}, "is no argument of accuracy; did you mean weight?"),
        ({"zzz": 2}, "is no argument of accuracy; accuracy takes answer_tag"),
        ({"answer_tag": 3}, "is 3; give text"),
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
