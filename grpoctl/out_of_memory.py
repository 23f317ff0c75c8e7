"""A training ran out of memory: which keys give it room?"""

from collections.abc import Iterator
from contextlib import contextmanager

from grpoctl.errors import GrpoctlError, ModelError
from grpoctl.estimate import Estimate, estimate
from grpoctl.estimate.devices import device_of
from grpoctl.machine import read_machine
from grpoctl.memory_lack import Lack, lack_of
from grpoctl.preflight.memory import advice, longest_prompt
from grpoctl.preflight.result import Preflight

# Of an allocation that nobody told the size of, as a share of the whole: what it takes to get past it.
_A_STEP_SMALLER = 0.05


class OutOfMemory(GrpoctlError):
    """The device or the machine has no more memory."""


@contextmanager
def in_words(found: Preflight) -> Iterator[None]:
    """A training inside that runs out of memory says so in one line, with the smallest changes that give it room."""
    try:
        yield
    except Exception as error:
        lack = lack_of(error)
        if lack is None:
            raise
        raise OutOfMemory(f"{lack}; {_way_out(found, lack)}.") from error


def _way_out(found: Preflight, lack: Lack) -> str:
    recipe = found.recipe
    if recipe is None or recipe.reads_pictures:
        return "lower per_device_train_batch_size or num_generations"
    machine = read_machine()
    device, _ = device_of(recipe, machine)
    try:
        reckoned = estimate(recipe, device, longest_prompt(recipe, found)[0])
    except ModelError:
        return "lower max_completion_length, num_generations or per_device_train_batch_size"
    return advice(recipe, reckoned, machine, lacking_gib=_lacking(reckoned, lack))


def _lacking(reckoned: Estimate, lack: Lack) -> float:
    more = (lack.asked_gib or 0.0) - (lack.free_gib or 0.0)
    return max(more, _A_STEP_SMALLER * reckoned.total_gib)
