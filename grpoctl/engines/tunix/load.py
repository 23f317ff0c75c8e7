"""How do a recipe and its folders become a model on JAX, as it is before training, or with what a run trained?"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from flax import linen as nn
from flax import nnx
from safetensors import safe_open

from grpoctl.engines.tunix import checkpoint, models, translate
from grpoctl.engines.tunix.kinds import Kind, kind_of
from grpoctl.errors import Finding, ModelError
from grpoctl.model_files import find_model
from grpoctl.recipe.schema import Recipe
from grpoctl.tokenizer import end_ids, quieten_transformers
from grpoctl.tokenizer_alone import load_tokenizer_alone
from grpoctl.tokenizer_files import json_of

_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True)
class Loaded:
    """A model and all that has to be known to ask or train it."""

    model: nnx.Module
    kind: Kind
    tokenizer: Any
    end_ids: tuple[int, ...]
    vocabulary: int
    mesh: jax.sharding.Mesh
    rollout_mesh: jax.sharding.Mesh
    axis_rules: Any = None  # how MaxText's names of axes lie on the mesh


def load(recipe: Recipe, base: Path, trained: Path | None, *, to_train: bool = False) -> Loaded:
    """The model of `base`: with adapters to be trained on, or with what `trained` holds, or as it is."""
    if recipe.use_vllm or recipe.engine == "maxtext":  # which load transformers
        quieten_transformers()
    kind = kind_of(recipe)
    tokenizer = load_tokenizer_alone(recipe, base)
    folder = weights_folder(base, trained)
    config = models.read_config(folder)
    ends = end_ids(tokenizer, _declared_ends(folder, config), recipe.template)
    model, mesh, axis_rules = kind.load_model(recipe, folder)
    with mesh, nn.logical_axis_rules(axis_rules or ()):
        model = _with_weights(kind, model, recipe, trained, to_train)
    apart = recipe.rollout_mesh
    rollout_mesh = mesh if apart is None else models.make_mesh(apart.fsdp, apart.tensor, behind=mesh)
    return Loaded(model, kind, tokenizer, ends, int(config["vocab_size"]), mesh, rollout_mesh, axis_rules)


def is_whole(trained: Path) -> bool:
    """Whether what a run left needs nothing of its base: a checkpoint does, and adapters do."""
    return not checkpoint.is_orbax(trained) and not (trained / _ADAPTER[0]).is_file()


def weights_folder(base: Path, trained: Path | None) -> Path:
    """Where the files are whose layout the model has."""
    return base if trained is None or not is_whole(trained) else trained


def _with_weights(kind: Kind, model: nnx.Module, recipe: Recipe, trained: Path | None, to_train: bool) -> nnx.Module:
    if recipe.finetuning_type == "full" and recipe.quantization_bit is not None:
        model = kind.quantise_for_training(model, recipe.quantization_bit)
    if trained is not None and is_whole(trained):
        return model
    start = recipe.adapter_name_or_path[-1] if recipe.adapter_name_or_path else None
    how = lora_settings(recipe)
    if how is not None and (to_train or trained is not None or start is not None):
        model = kind.add_lora(model, **how)
        if start is not None:
            kind.put_adapter(model, adapter_tensors(_adapter_folder(start, recipe)))
    if trained is not None and checkpoint.is_orbax(trained):
        checkpoint.load_weights(trained, model)
    elif trained is not None:
        kind.put_adapter(model, adapter_tensors(trained))
    return model


def lora_settings(recipe: Recipe) -> dict[str, Any] | None:
    """What the recipe says of adapters, or what the adapter says that it starts from."""
    settings = translate.lora_settings(recipe)
    if settings is None or not recipe.adapter_name_or_path:
        return settings
    config = json_of(_adapter_folder(recipe.adapter_name_or_path[-1], recipe) / _ADAPTER[0])
    rank, alpha = int(config["r"]), float(config["lora_alpha"])
    scale = alpha / (rank**0.5 if config.get("use_rslora") else rank)
    named = config["target_modules"]
    target = ("all",) if named == "all-linear" else (named,) if isinstance(named, str) else tuple(named)
    return {**settings, "rank": rank, "scale": scale, "target": target}


def adapter_tensors(folder: Path) -> dict[str, Any]:
    try:
        with safe_open(folder / _ADAPTER[1], framework="np") as file:  # type: ignore[no-untyped-call]
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, as this is no mapping
    except Exception as error:  # the system's errors, and the library's own
        reason = str(error).partition("\n")[0][:200]
        raise ModelError(
            Finding(f"cannot be read ({reason})", "copy it again", file=str(folder / _ADAPTER[1]))
        ) from error


def _adapter_folder(name: str, recipe: Recipe) -> Path:
    folder = find_model(name, cache_dir=recipe.cache_dir)
    missing = [file for file in _ADAPTER if folder is None or not (folder / file).is_file()]
    if folder is None or missing:
        raise ModelError(Finding(f"has no {missing[0]}", "check the path", file=name))
    return folder


def _declared_ends(base: Path, config: Mapping[str, Any]) -> int | list[int] | None:
    file = base / "generation_config.json"
    settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    ends: int | list[int] | None = settings.get("eos_token_id", config.get("eos_token_id"))
    return ends
