"""The learning rate at each step."""

from typing import Any

import pytest

from grpoctl.recipe.load import load_recipe
from grpoctl.schedule import rate_at


def rates(**changes: Any) -> list[float]:
    recipe = load_recipe("mnist_grpo").model_copy(update={"learning_rate": 1.0, **changes})
    return [round(rate_at(recipe, 10)(step), 4) for step in (0, 1, 5, 9)]


def test_a_constant_rate_is_constant_and_a_linear_one_falls_to_nothing() -> None:
    assert rates(lr_scheduler_type="constant") == [1, 1, 1, 1]
    assert rates(lr_scheduler_type="linear") == [1, 0.9, 0.5, 0.1]
    assert rates(lr_scheduler_type="linear", warmup_ratio=0.2) == [0, 0.5, 0.625, 0.125]


def test_the_others_are_those_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    for name in ("cosine", "constant_with_warmup", "polynomial", "inverse_sqrt", "cosine_with_restarts"):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = transformers.get_scheduler(name, optimizer, num_warmup_steps=3, num_training_steps=10)
        theirs = []
        for _ in range(10):
            theirs.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        recipe = load_recipe("mnist_grpo").model_copy(
            update={"learning_rate": 1.0, "lr_scheduler_type": name, "warmup_steps": 3}
        )
        assert [rate_at(recipe, 10)(step) for step in range(10)] == pytest.approx(theirs, abs=1e-7), name
