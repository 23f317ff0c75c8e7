"""What comes of the same training with groups of several sizes?"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from grpoctl.data.problems import Problem
from grpoctl.digits.pixels import pixels_of
from grpoctl.engines.mlp.learner import Learner
from grpoctl.engines.mlp.translate import settings_of
from grpoctl.recipe.schema import Recipe
from grpoctl.schedule import rate_at
from grpoctl.study.result import SizeResult, Trained


def train_with(
    recipe: Recipe, problems: Sequence[Problem], tests: Sequence[Problem], size: int, updates: int, seeds: int
) -> SizeResult:
    """So many trainings with groups of one size, each of so many updates."""
    settings = replace(settings_of(recipe), answers=size)
    train, test = _digits(problems), _digits(tests)
    rates = [rate_at(recipe, updates)(step) for step in range(updates)]
    trained = []
    for seed in range(recipe.seed, recipe.seed + seeds):
        began = time.perf_counter()
        learner = Learner(settings, seed, *train)
        state, told = learner.take(learner.begin(), 0, rates)
        means = {name: np.asarray(values, np.float64) for name, values in told.items()}
        said = np.asarray(learner.networks.logits(state.weights, test[0])).argmax(axis=1)
        trained.append(_trained(seed, means, float((said == test[1]).mean()), time.perf_counter() - began))
    draws = -(-updates // settings.rounds)
    return SizeResult(size, updates, draws * settings.pictures * size, trained)


def _digits(problems: Sequence[Problem]) -> tuple[Any, Any]:
    return pixels_of([each.prompt for each in problems]), np.array([int(each.row.answer) for each in problems])


def _trained(seed: int, told: dict[str, Any], test_accuracy: float, seconds: float) -> Trained:
    last = max(1, len(told["reward"]) // 10)
    return Trained(
        seed=seed,
        train_accuracy=float(told["reward"][-last:].mean()),
        test_accuracy=test_accuracy,
        zero_std_share=float(told["zero_std_share"].mean()),
        advantage_std=float(told["advantage_std"].mean()),
        first_error=float(told["baseline_error"][0]),
        first_expected=float(told["baseline_error_expected"][0]),
        # Roots of means, so squares are what is averaged.
        error=float(np.sqrt((told["baseline_error"] ** 2).mean())),
        expected=float(np.sqrt((told["baseline_error_expected"] ** 2).mean())),
        seconds=seconds,
    )
