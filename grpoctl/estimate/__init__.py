"""What will a recipe take: memory by part and device, time a step, money a run? Arithmetic on a model's config.json."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from grpoctl.estimate.devices import GIB, NAMED, Device
from grpoctl.estimate.layout import Layout, layout_of
from grpoctl.estimate.memory import Memory, memory_of
from grpoctl.estimate.shapes import Shape, shape_of
from grpoctl.recipe.schema import Recipe

# What `check` has no need of is imported where it is used.
if TYPE_CHECKING:
    from grpoctl.estimate.documents import Counted
    from grpoctl.estimate.speed import StepTime

__all__ = ["Estimate", "estimate", "fits_on"]


@dataclass(frozen=True)
class Estimate:
    """A recipe's training on one device and on all of them."""

    shape: Shape
    layout: Layout
    memory: Memory
    device: Device
    steps: int | None = None

    @property
    def total_gib(self) -> float:
        return self.memory.total / GIB

    @property
    def ppo_total_gib(self) -> float:
        from grpoctl.estimate.documents import ppo_bytes

        return ppo_bytes(self.memory) / GIB

    @property
    def fits(self) -> bool | None:
        """None where the device's memory is not known."""
        room = self.device.memory
        return None if room is None else self.memory.total <= room

    @property
    def state_gib(self) -> float:
        """What is counted to the byte: weights, reference, adapters, gradients and optimiser."""
        parts = self.memory.moments["update"]
        return sum(parts[name] for name in ("weights", "reference", "LoRA", "gradients", "optimiser")) / GIB

    @property
    def vllm_lacks_gib(self) -> float:
        """What vLLM's share is too small by for its own copy of the weights, in 16 bits."""
        if self.layout.vllm != "colocate" or self.device.memory_gib is None:
            return 0.0
        copy = 2 * self.shape.parameters / self.layout.vllm_devices / GIB
        return max(0.0, copy - self.layout.vllm_share * self.device.memory_gib)

    @property
    def documents(self) -> "list[Counted]":
        from grpoctl.estimate.documents import beside_the_documents

        return beside_the_documents(self.shape, self.layout)

    @cached_property
    def time(self) -> "StepTime | None":
        from grpoctl.estimate.speed import step_time

        return step_time(self.shape, self.layout, self.device)

    def cost(self, price: float, steps: int) -> float | None:
        """Of so many steps at a price of one device's hour."""
        return None if self.time is None else self.time.total * steps * self.layout.devices * price / 3600


def estimate(
    recipe: Recipe, device: Device, prompt_tokens: int, steps: int | None = None, shape: Shape | None = None
) -> Estimate:
    """For a resolved recipe; ModelError where the model's shape is not known."""
    shape = shape or shape_of(recipe)
    layout = layout_of(recipe, shape, on_cpu=device.kind == "cpu", prompt_tokens=prompt_tokens)
    return Estimate(shape, layout, memory_of(shape, layout, device.memory), device, steps)


def fits_on(recipe: Recipe, prompt_tokens: int, kind: str) -> list[str]:
    """The named devices of a kind that hold it and have its numbers; vLLM's share goes with each one's size."""
    shape = shape_of(recipe)
    able = [device for device in NAMED.values() if device.kind == kind and (device.bf16 or not recipe.bf16)]
    tried = [estimate(recipe, device, prompt_tokens, shape=shape) for device in able]
    return [found.device.name for found in tried if found.fits]
