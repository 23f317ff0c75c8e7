"""How does a trained model become a folder that plain transformers, vLLM, llama.cpp's converter or peft reads?"""

import json
import logging
import math
import shutil
from collections import Counter
from pathlib import Path

from peft import PeftModel
from safetensors import SafetensorError, safe_open
from transformers import GenerationConfig

from grpoctl.engines.base import Exported
from grpoctl.engines.trl import load
from grpoctl.engines.trl.merge import merge
from grpoctl.engines.trl.rollout import Model
from grpoctl.errors import Finding, InputError, ModelError
from grpoctl.model_files import find_model, find_tokenizer, is_remote
from grpoctl.recipe.schema import Recipe
from grpoctl.run.files import write_json
from grpoctl.tokenizer import load_tokenizer
from grpoctl.tokenizer_files import json_of, write_tokenizer

_log = logging.getLogger(__name__)

_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"}


def export(
    recipe: Recipe,
    base: Path,
    trained: Path | None,
    folder: Path,
    *,
    adapter_only: bool = False,
    shard_bytes: int | None = None,
) -> Exported:
    """Write the model into the folder: adapters merged, or the adapters alone.

    Without `trained` it is the base with the recipe's adapters. A file of weights holds export_size gigabytes at most,
    or `shard_bytes` where that is given.
    """
    load.quieten_libraries()
    own = trained if trained is not None and (trained / "tokenizer_config.json").is_file() else None
    source = own or find_tokenizer(recipe) or base
    tokenizer = load_tokenizer(recipe.model_copy(update={"tokenizer_name_or_path": str(source)}), source)
    adapters = _adapters(recipe, trained)
    if adapter_only:
        exported = _write_adapter(_only(adapters, recipe), recipe, base, folder)
    else:
        model = _whole_model(recipe, base, trained, adapters)
        _write_model(model, load.end_ids(tokenizer, model, recipe.template), folder, shard_bytes or _limit(recipe))
        exported = Exported("hf", str(model.dtype).removeprefix("torch."), _count(model))
    write_tokenizer(tokenizer, source, find_tokenizer(recipe) or base, folder)
    return exported


def _adapters(recipe: Recipe, trained: Path | None) -> tuple[str, ...]:
    """The adapters that belong to the model, in the order in which they were put on it."""
    if trained is None:
        return recipe.adapter_name_or_path
    if (trained / _ADAPTER[0]).is_file():
        # A run that began with adapters trained the last of them, so its own takes that one's place.
        return (*recipe.adapter_name_or_path[:-1], str(trained))
    return ()


def _limit(recipe: Recipe) -> int:
    return recipe.export_size * 10**9


def _count(model: Model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


# --- the whole model


def _whole_model(recipe: Recipe, base: Path, trained: Path | None, adapters: tuple[str, ...]) -> Model:
    """The weights with the adapters merged, in the numbers that they were trained in or are kept in."""
    folder = base if adapters or trained is None else trained
    _refuse_quantised(folder)
    asked = "bfloat16" if recipe.bf16 else "float16" if recipe.fp16 else None
    if trained is not None:
        # Adapters were trained beside weights in these numbers; of a run that trained every weight, bf16 is how it
        # computed and not what it kept.
        asked = (asked or "float32") if adapters else None
    dtype = asked or _dtype_of(folder)
    if recipe.quantization_bit is not None and adapters:
        bits = recipe.quantization_bit
        _log.info("the adapters were trained on %d-bit weights; they are merged into the unquantised ones.", bits)
    changes = {
        "adapter_name_or_path": adapters,
        "quantization_bit": None,
        "flash_attn": "auto",  # the kernel of the training may not be here, and nothing is computed
        # Weights that are trained are loaded as float32, and none is trained here.
        "finetuning_type": "lora",
        "bf16": dtype == "bfloat16",
        "fp16": dtype == "float16",
    }
    model = load.load_model(recipe.model_copy(update=changes), folder)
    return merge(model, adapters[-1], recipe.export_device) if isinstance(model, PeftModel) else model


def _refuse_quantised(folder: Path) -> None:
    quantised = json_of(folder / "config.json").get("quantization_config")
    if quantised:
        method = quantised.get("quant_method", "in a way of its own")
        fix = "set model_name_or_path to the model that it was made from, or take --adapter"
        raise InputError(Finding(f"is quantised ({method}), so nothing is merged into it", fix, file=str(folder)))


def _dtype_of(folder: Path) -> str:
    """What most weights of a folder are kept in; its config.json may say otherwise."""
    kept: Counter[str] = Counter()
    for file in folder.glob("*.safetensors"):
        kept += _numbers(file)
    return _DTYPES.get(kept.most_common(1)[0][0], "float32") if kept else "float32"


def _numbers(file: Path) -> Counter[str]:
    """How many numbers of each kind a file holds, by its head."""
    count: Counter[str] = Counter()
    with safe_open(file, framework="pt") as tensors:  # type: ignore[no-untyped-call]
        for name in tensors.keys():  # noqa: SIM118, as this is no mapping
            part = tensors.get_slice(name)
            count[part.get_dtype()] += math.prod(part.get_shape())
    return count


# --- files


def _write_model(model: Model, ends: tuple[int, ...], folder: Path, shard_bytes: int) -> None:
    settings = json.loads(model.generation_config.to_json_string(use_diff=True))
    settings["eos_token_id"] = ends[0] if len(ends) == 1 else list(ends)
    # Some models come with settings that transformers itself refuses to write, so they are written here, as they are.
    model.generation_config = GenerationConfig()
    try:
        model.save_pretrained(folder, max_shard_size=shard_bytes)
    except SafetensorError as error:  # the system's no, in this library's words
        raise OSError(str(error)) from error
    write_json(folder / "generation_config.json", settings)


def _only(adapters: tuple[str, ...], recipe: Recipe) -> Path:
    """The one adapter that can be had alone."""
    if not adapters:
        problem = "was asked for, and this model has no adapter"
        raise InputError(Finding(problem, "leave it out", file="--adapter"))
    if len(adapters) > 1:
        problem = f"stands on {', '.join(Path(name).name for name in adapters[:-1])}, merged into the base first"
        raise InputError(Finding(problem, "leave it out, to merge all of them", file="--adapter"))
    place = find_model(adapters[0], cache_dir=recipe.cache_dir)
    missing = [name for name in _ADAPTER if place is None or not (place / name).is_file()]
    if place is None or missing:
        raise ModelError(Finding(f"has no {missing[0]}", "check the path", file=adapters[0]))
    return place


def _write_adapter(adapter: Path, recipe: Recipe, base: Path, folder: Path) -> Exported:
    config_file, weights = _ADAPTER
    named = str(recipe.model_name_or_path)
    hub = is_remote(named)
    config = json_of(adapter / config_file)
    config["base_model_name_or_path"] = named if hub else str(base.absolute())
    config["revision"] = recipe.model_revision if hub and recipe.model_revision != "main" else None
    write_json(folder / config_file, config)
    shutil.copyfile(adapter / weights, folder / weights)
    count = _numbers(folder / weights)
    most = count.most_common(1)[0][0]
    return Exported("peft", _DTYPES.get(most, most), count.total())
