"""What has to be kept of a training on JAX so that it goes on as if it had never stopped? Written by Orbax."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import nnx

from grpoctl.engines.tunix import hosts
from grpoctl.engines.tunix.loss import GroupExample
from grpoctl.engines.tunix.optimiser import between_steps
from grpoctl.run.files import write_json

_WEIGHTS, _OPTIMISER, _STEP, _GENERATION = "weights", "optimizer", "step.json", "generation.npz"


def trained_state(model: nnx.Module) -> Any:
    """What training moves: the adapters where the model has some, else every weight."""
    adapters = nnx.state(model, nnx.LoRAParam)
    return adapters if jax.tree.leaves(adapters) else nnx.state(model, nnx.Param)


def save(
    folder: Path,
    model: nnx.Module,
    optimiser: nnx.Optimizer[Any] | None,
    step: dict[str, Any],
    examples: list[GroupExample] | None,
) -> None:
    """The weights; the optimiser unless it is left out; and the completions that later steps use again."""
    with ocp.PyTreeCheckpointer() as orbax:
        orbax.save(folder.absolute() / _WEIGHTS, nnx.to_pure_dict(trained_state(model)))
        if optimiser is not None:
            orbax.save(folder.absolute() / _OPTIMISER, _numbers(optimiser))
    if hosts.leads():
        write_json(folder / _STEP, step)
        if examples:
            parts: dict[str, Any] = {
                f"{number}.{name}": np.asarray(value)
                for number, example in enumerate(examples)
                for name, value in vars(example).items()
                if value is not None
            }
            np.savez(folder / _GENERATION, **parts)


def is_orbax(folder: Path) -> bool:
    return (folder / _WEIGHTS).is_dir()


def load_weights(folder: Path, model: nnx.Module) -> None:
    held = trained_state(model)
    nnx.update(model, _read(folder / _WEIGHTS, held))


def load_optimiser(folder: Path, optimiser: nnx.Optimizer[Any]) -> bool:
    """Whether the checkpoint has one."""
    place = folder / _OPTIMISER
    if not place.is_dir():
        return False
    kept = _read_leaves(place, _numbers(optimiser))
    for name, variable in _numbered(optimiser).items():
        variable.set_value(kept[name])
    return True


def load_step(folder: Path) -> tuple[dict[str, Any], list[GroupExample]]:
    step: dict[str, Any] = json.loads((folder / _STEP).read_text(encoding="utf-8"))
    if not (folder / _GENERATION).is_file():
        return step, []
    found: dict[int, dict[str, Any]] = {}
    with np.load(folder / _GENERATION) as parts:
        for name in parts:
            number, _, field = name.partition(".")
            found.setdefault(int(number), {})[field] = parts[name]
    nothing = dict.fromkeys(GroupExample.__dataclass_fields__)
    return step, [GroupExample(**{**nothing, **found[number]}) for number in sorted(found)]


def _numbered(optimiser: nnx.Optimizer[Any]) -> dict[str, nnx.Variable[Any]]:
    """Orbax wants names, and an optimiser's state is made of tuples."""
    is_one = lambda part: isinstance(part, nnx.Variable)  # noqa: E731
    variables = jax.tree.leaves(between_steps(optimiser), is_leaf=is_one)
    return {str(number): variable for number, variable in enumerate(variables)}


def _numbers(optimiser: nnx.Optimizer[Any]) -> dict[str, jax.Array]:
    return {name: variable[...] for name, variable in _numbered(optimiser).items()}


def _read(place: Path, held: Any) -> Any:
    flat, tree = jax.tree.flatten(held)
    kept = jax.tree.leaves(_read_leaves(place, nnx.to_pure_dict(held)))
    assert len(kept) == len(flat)
    return jax.tree.unflatten(tree, kept)


def _read_leaves(place: Path, held: Any) -> Any:
    """The arrays where those that are held now are, whatever devices they were written from."""
    with ocp.PyTreeCheckpointer() as orbax:
        return orbax.restore(
            place.absolute(), item=held, restore_args=ocp.checkpoint_utils.construct_restore_args(held)
        )
