"""Which keys contradict each other? One function a rule, in the module of its topic."""

from grpoctl.recipe.rules import data, engines, rollouts, training
from grpoctl.recipe.rules.base import RULES, Clash

__all__ = ["RULES", "Clash", "data", "engines", "rollouts", "training"]
