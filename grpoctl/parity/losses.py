"""How far apart are the engines' losses and gradients on the same steps?"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from grpoctl.parity.cases import cases_of
from grpoctl.parity.given import parity_of
from grpoctl.recipe.schema import Recipe

TOLERANCE = 1e-5


@dataclasses.dataclass(frozen=True)
class Difference:
    """Of one step: of its loss, and of the gradient's value that differs most."""

    name: str
    loss_difference: float
    gradient_difference: float
    tolerance: float = TOLERANCE

    @property
    def ok(self) -> bool:
        return self.loss_difference <= self.tolerance and self.gradient_difference <= self.tolerance

    def as_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "ok": self.ok}


def compare_losses(recipe: Recipe) -> Iterator[Difference]:
    """Each step's difference, as soon as it is known."""
    trl, tunix = parity_of("trl"), parity_of("tunix")
    for case in cases_of(recipe):
        (loss, gradient), (other_loss, other_gradient) = trl.loss_and_gradient(case), tunix.loss_and_gradient(case)
        apart = float(np.abs(gradient - other_gradient).max())
        yield Difference(case.name, abs(loss - other_loss), apart)
