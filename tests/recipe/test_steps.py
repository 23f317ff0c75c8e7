import pytest

from grpoctl.recipe.keys.devices import Mesh
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.steps import plan_steps


def test_the_arithmetic_in_plain_words() -> None:
    recipe = Recipe(gradient_accumulation_steps=4, num_train_epochs=2.0)
    # 7,473 rows make 1,868 whole steps of 4 prompts, twice over
    assert plan_steps(recipe, 7473).in_words() == "4 prompts x 8 completions = 32 completions a step, 3736 steps"


@pytest.mark.parametrize(
    ("recipe", "prompts", "completions", "steps"),
    [
        (Recipe(), 1, 8, 300),
        (Recipe(per_device_train_batch_size=2, nproc_per_node=4), 8, 64, 36),  # 100 // 8 = 12, 3 epochs
        (Recipe(num_iterations=2, num_train_epochs=1.0), 1, 8, 200),
        (Recipe(num_train_epochs=0.5), 1, 8, 50),
        (Recipe(num_train_epochs=0.001), 1, 8, 1),
        (Recipe(max_steps=7), 1, 8, 7),
        (Recipe(val_size=0.1, num_train_epochs=1.0), 1, 8, 90),
        (Recipe(val_size=30, num_train_epochs=1.0), 1, 8, 70),
        (Recipe(per_device_train_batch_size=101), 101, 808, 0),
        (Recipe(engine="tunix", mesh=Mesh(fsdp=4, tensor=2)), 4, 32, 75),  # tensor devices share a prompt
    ],
)
def test_prompts_and_steps(recipe: Recipe, prompts: int, completions: int, steps: int) -> None:
    plan = plan_steps(recipe, 100)
    assert (plan.prompts, plan.completions, plan.steps) == (prompts, completions, steps)


def test_without_rows_the_steps_are_not_known() -> None:
    assert plan_steps(Recipe(), None).steps is None
    assert plan_steps(Recipe(max_steps=5), None).steps == 5
