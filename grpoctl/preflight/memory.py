"""Does the training fit the machine that it is for?"""

from grpoctl.data.chat import messages_of
from grpoctl.errors import ModelError
from grpoctl.estimate import Estimate, estimate
from grpoctl.estimate.devices import GIB, NAMED, device_of
from grpoctl.estimate.memory import Parts
from grpoctl.machine import Machine
from grpoctl.preflight.result import Preflight, Teller
from grpoctl.recipe.schema import Recipe

# A prompt's bytes of UTF-8 for each token, where no tokenizer is here to count them. English has four and more.
_BYTES_A_TOKEN = 3
# A change that saves less of the whole is none.
_LEAST_OF_ALL = 0.001


def check_memory(recipe: Recipe, result: Preflight, machine: Machine, tell: Teller) -> None:
    """Tell of a training that is larger than the device; an error where weights and optimiser alone are."""
    device, here = device_of(recipe, machine)
    if not here:  # nobody can know which card it will meet, but none is larger than the largest
        device = max(
            (known for known in NAMED.values() if known.kind == device.kind), key=lambda one: one.memory_gib or 0
        )
    tokens, _ = longest_prompt(recipe, result)
    try:
        found = estimate(recipe, device, tokens)
    except ModelError:
        return  # that the model is not here, or not whole, is told elsewhere
    if found.vllm_lacks_gib and recipe.use_vllm:
        said = (
            f"is {recipe.vllm_gpu_util:g}, {found.vllm_lacks_gib:.1f} GiB too little for vLLM's own copy of the weights"
        )
        tell.warn("vllm_gpu_util", f"{said} on {device.name}", "raise it, or vllm_tensor_parallel_size")
    if found.fits in (True, None):
        return
    said = f"takes about {found.total_gib:.0f} GiB ({in_words(found.memory.parts)}) of {_room(found)}"
    certain = here and device.kind != "cpu" and found.state_gib > (device.memory_gib or 0.0)
    (tell.error if certain else tell.warn)("model_name_or_path", said, advice(recipe, found, machine))


def longest_prompt(recipe: Recipe, result: Preflight) -> tuple[int, str]:
    """Tokens of the longest prompt, and where the number is from."""
    limit = recipe.max_prompt_length or 0
    if result.prompt_tokens:
        return max(result.prompt_tokens), "the longest of the data"
    if result.rows:
        longest = max(sum(len(turn["content"].encode()) for turn in messages_of(row, recipe)) for row in result.rows)
        about = longest // _BYTES_A_TOKEN + 16  # and the template's own
        if about < limit:
            return about, f"about, at {_BYTES_A_TOKEN} bytes a token, as no tokenizer is here"
    return limit, "max_prompt_length"


def in_words(parts: Parts) -> str:
    """The parts that matter, the largest first."""
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    return ", ".join(f"{name} {size / GIB:.1f}" for name, size in ordered if size >= 0.03 * sum(parts.values()))


def advice(recipe: Recipe, found: Estimate, machine: Machine, *, lacking_gib: float = 0.0) -> str:
    """The smallest changes that make it fit, or that none does. `lacking_gib` was missing where an estimate fits."""
    from grpoctl.estimate.changes import ways_to_fit  # most recipes fit

    at_most = found.total_gib - lacking_gib

    def fits(changed: Recipe) -> bool:
        made = estimate(changed, found.device, found.layout.prompt_tokens, shape=found.shape)
        return made.fits is True if not lacking_gib else made.fits is not False and made.total_gib <= at_most

    devices = len(machine.gpus)
    ways = ways_to_fit(recipe, fits, on_cpu=found.device.kind == "cpu", devices=devices)
    if not ways and lacking_gib > _LEAST_OF_ALL * found.total_gib:  # what was lacking is more than any estimate sees
        return advice(recipe, found, machine, lacking_gib=_LEAST_OF_ALL * found.total_gib)
    if not ways:
        return "take a smaller model, or more devices"
    said = "it takes less" if lacking_gib else "it fits"
    return f"{said} with " + ", or with ".join(map(str, ways))


def _room(found: Estimate) -> str:
    device = found.device
    return f"the {device.memory_gib:.0f} GiB of {device.name}" if device.memory_gib else device.name
