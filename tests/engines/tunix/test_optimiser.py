"""The optimiser moves as torch's AdamW does, at the rates of transformers, and a bad gradient moves nothing."""

import math
from typing import Any

import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("tunix")

import numpy as np
from flax import nnx
from jax import numpy as jnp

from grpoctl.engines.tunix.optimiser import gradient_norm, make_optimiser, set_rate
from grpoctl.recipe.load import load_recipe
from grpoctl.schedule import rate_at

SETTINGS = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "weight_decay": 0.1, "max_grad_norm": 1.0}
SCHEDULES = (
    "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt",
)  # fmt: skip


class Tiny(nnx.Module):
    """A weight, which is decayed, and a bias and a norm, which are not."""

    def __init__(self) -> None:
        numbers = np.random.default_rng(0)
        self.kernel = nnx.Param(jnp.asarray(numbers.normal(size=(4, 3)), jnp.float32))
        self.bias = nnx.Param(jnp.asarray(numbers.normal(size=3), jnp.float32))
        self.norm = nnx.Param(jnp.asarray(numbers.normal(size=3), jnp.float32))


def gradient_of(model: Tiny, step: int, scale: float = 1.0) -> Any:
    numbers = np.random.default_rng(100 + step)
    return jax.tree.map(
        lambda part: jnp.asarray(scale * numbers.normal(size=part.shape), jnp.float32), nnx.state(model, nnx.Param)
    )


def weights_of(model: Tiny) -> dict[str, Any]:
    return {name: np.array(getattr(model, name)[...]) for name in ("kernel", "bias", "norm")}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", ["warmup_steps=0", "warmup_steps=3", "warmup_ratio=0.15", "warmup_ratio=1.0"])
def test_the_rate_of_every_step_is_that_of_transformers(schedule: str, warmup: str) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    recipe = load_recipe("quickstart", ["engine=tunix", f"lr_scheduler_type={schedule}", "learning_rate=2e-4", warmup])
    steps = 20
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=recipe.learning_rate)
    # A count where there is one, else a share of the steps, rounded up: as transformers' trainer has it. One that is
    # the whole is still a share.
    count = recipe.warmup_steps or math.ceil(steps * recipe.warmup_ratio)
    theirs = transformers.get_scheduler(schedule, optimiser, num_warmup_steps=count, num_training_steps=steps)
    ours = rate_at(recipe, steps)
    for step in range(steps):
        assert ours(step) == pytest.approx(theirs.get_last_lr()[0], rel=1e-12, abs=1e-18), step
        if step + 1 < steps:  # behind the last, transformers' polynomial divides by the steps that are left
            optimiser.step()
            theirs.step()


@pytest.mark.parametrize("max_grad_norm", [1.0, 0.0])
def test_twenty_steps_are_those_of_torch(max_grad_norm: float) -> None:
    torch = pytest.importorskip("torch")
    model = Tiny()
    optimiser = nnx.Optimizer(model, make_optimiser(**{**SETTINGS, "max_grad_norm": max_grad_norm}), wrt=nnx.Param)
    theirs = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in weights_of(model).items()}
    adamw = torch.optim.AdamW(
        [
            {"params": [theirs["kernel"]], "weight_decay": SETTINGS["weight_decay"]},
            {"params": [theirs["bias"], theirs["norm"]], "weight_decay": 0.0},
        ],
        betas=(SETTINGS["beta1"], SETTINGS["beta2"]),
        eps=SETTINGS["epsilon"],
    )
    for step in range(20):
        gradient = gradient_of(model, step, scale=0.1 if step % 2 else 3.0)  # one is cut, the other is not
        rate = 1e-2 / (1 + step)
        set_rate(optimiser, rate)
        optimiser.update(model, gradient)
        for group in adamw.param_groups:
            group["lr"] = rate
        for name, weight in theirs.items():
            weight.grad = torch.tensor(np.array(gradient[name][...]))
        # transformers' trainer clips at max_grad_norm where that is more than 0
        norm = torch.nn.utils.clip_grad_norm_(theirs.values(), max_grad_norm or math.inf)
        adamw.step()
        assert gradient_norm(optimiser) == pytest.approx(float(norm), rel=1e-5)
    for name, value in weights_of(model).items():
        assert np.abs(value - theirs[name].detach().numpy()).max() < 1e-6, name


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_no_number_leaves_weights_and_state_as_they_were(bad: float) -> None:
    model = Tiny()
    optimiser = nnx.Optimizer(model, make_optimiser(**SETTINGS), wrt=nnx.Param)
    set_rate(optimiser, 1e-2)
    optimiser.update(model, gradient_of(model, 0))
    weights, moments = weights_of(model), [np.array(part) for part in moments_of(optimiser)]
    gradient = gradient_of(model, 1)
    gradient["kernel"] = gradient["kernel"].replace(gradient["kernel"][...].at[0, 0].set(bad))
    optimiser.update(model, gradient)
    assert not math.isfinite(gradient_norm(optimiser))
    assert all(np.array_equal(weights[name], value) for name, value in weights_of(model).items())
    after = moments_of(optimiser)
    assert len(moments) == len(after) == 7  # a count, and two moments of three weights each
    assert all(np.array_equal(one, other) for one, other in zip(moments, after, strict=True))


def moments_of(optimiser: Any) -> list[Any]:
    """What AdamW itself remembers."""
    import optax

    def is_it(part: Any) -> bool:
        return isinstance(part, optax.ScaleByAdamState)

    [adam] = [part for part in jax.tree.leaves(optimiser.opt_state, is_leaf=is_it) if is_it(part)]
    return [np.array(part) for part in jax.tree.leaves(adam)]


def test_the_rate_is_the_one_that_was_set_last() -> None:
    model = Tiny()
    optimiser = nnx.Optimizer(model, make_optimiser(**{**SETTINGS, "weight_decay": 0.0}), wrt=nnx.Param)
    before = weights_of(model)
    set_rate(optimiser, 0.0)
    optimiser.update(model, gradient_of(model, 0))
    assert all(np.array_equal(before[name], value) for name, value in weights_of(model).items())
    set_rate(optimiser, 0.5)
    optimiser.update(model, gradient_of(model, 0))
    # AdamW's step on the same gradient again is the rate itself, by sign.
    moved = np.abs(weights_of(model)["kernel"] - before["kernel"])
    assert np.allclose(moved, 0.5, atol=1e-3)
