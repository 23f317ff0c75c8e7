"""What is told of an exported model: what it is, how to use it, what trained it on what, and how well it does?

Only what is known, and of the places on the user's machine the names alone.
"""

from pathlib import Path
from typing import Any

from grpoctl import __version__
from grpoctl.engines.base import Exported
from grpoctl.model_card.evaluation import evaluation
from grpoctl.model_card.text import as_yaml, fenced, model_name, steps
from grpoctl.model_card.training import data, hub_names, training, versions
from grpoctl.model_card.use import program
from grpoctl.model_files import is_remote
from grpoctl.run.manifest import read_manifest
from grpoctl.targets import Target

__all__ = ["model_card"]


def model_card(target: Target, exported: Exported, folder: Path, place: str) -> str:
    """README.md of an exported folder; `place` is the name by which the model will be found."""
    parts = [
        _front_matter(target, exported),
        f"# {place.rpartition('/')[2]}",
        _what_it_is(target, exported),
        f"## Use\n\n{fenced('python', program(target.recipe, exported, folder, place))}",
    ]
    if target.run is not None:
        manifest = read_manifest(target.run)
        parts += [training(target.run, manifest), data(target.recipe, manifest)]
        parts += [evaluation(target.run, target.step), versions(manifest)]
    return "\n\n".join(filter(None, parts)) + f"\n\nExported by grpoctl {__version__}.\n"


def _front_matter(target: Target, exported: Exported) -> str:
    """The facts that the Hugging Face hub reads; a base that is not on the hub has no name there."""
    recipe, trained = target.recipe, target.run is not None
    base = str(recipe.model_name_or_path)
    data_sets = [name for name in hub_names(recipe.dataset, recipe).values() if name] if trained else []
    facts: dict[str, Any] = {
        "base_model": base if is_remote(base) else None,
        "library_name": "peft" if exported.format == "peft" else "transformers",
        "tags": ["grpo", "grpoctl"] if trained else ["grpoctl"],
        "datasets": list(dict.fromkeys(data_sets)),
    }
    return f"---\n{as_yaml({name: value for name, value in facts.items() if value})}---"


def _what_it_is(target: Target, exported: Exported) -> str:
    recipe, alone = target.recipe, exported.format == "peft"
    base = model_name(str(recipe.model_name_or_path))
    start = ", ".join(model_name(name) for name in recipe.adapter_name_or_path)
    numbers = f"{exported.parameters:,} parameters in {exported.dtype}"
    if target.run is None:
        if not start:
            return f"{base}: {numbers}."
        return f"The adapters {start} of {base}: {numbers}." if alone else f"{base} with {start} merged in: {numbers}."
    said = f"{base}, trained with GRPO for {steps(target.step)}" + (f" from the adapters {start}" if start else "")
    if alone:
        return f"{said}: the adapters alone, {numbers}."
    if not target.is_adapter:
        return f"{said}, every weight of it: {numbers}."
    bits = f", trained beside {recipe.quantization_bit}-bit weights," if recipe.quantization_bit is not None else ""
    return f"{said}. Its adapters{bits} are merged into the weights: {numbers}."
