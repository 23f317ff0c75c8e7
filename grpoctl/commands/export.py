"""Write a trained model as a plain Hugging Face folder, with a model card.

  grpoctl export RUN --to DIR                 adapters merged into the weights
  grpoctl export RUN --to DIR --adapter       the adapters alone, for peft
  grpoctl export latest --to DIR --checkpoint 40 export_size=2
  grpoctl export my_export.yaml               a LLaMA-Factory export recipe

RUN is a run, its folder or one of its checkpoints; a model's folder or Hugging Face name does too. The weights keep the
numbers that they were trained in; bf16=true or bf16=false has merged ones in others. Other keys: export_size,
export_device, export_hub_model_id (a repository that is new there is private), and model_name_or_path where the base is
elsewhere by now."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from grpoctl.errors import Finding, InputError, RecipeError, printable

if TYPE_CHECKING:
    from pathlib import Path

    from grpoctl.engines.base import Exported
    from grpoctl.recipe.schema import Recipe
    from grpoctl.targets import Target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        default=[],
        metavar="RUN",
        help="a run or model (latest run), or an export recipe; key=value",
    )
    parser.add_argument("--to", metavar="DIR", help="a new or empty folder (the recipe's export_dir)")
    parser.add_argument("--adapter", action="store_true", help="the adapters alone")
    parser.add_argument("--checkpoint", type=int, metavar="N", help="the model as it was at step N")


def run(args: argparse.Namespace) -> int:
    # pydantic and what stands on it take 0.15 s, which --help need not wait for.
    from grpoctl import exporting
    from grpoctl.model_card import model_card
    from grpoctl.targets import engine_of

    target = _target(args)
    folder = exporting.free_folder(args.to or target.recipe.export_dir)
    engine = engine_of(target)
    if args.adapter and target.trained is not None and not target.is_adapter:
        raise InputError(Finding("was trained whole, and has no adapter", "leave --adapter out", file=target.name))
    hub = target.recipe.export_hub_model_id
    if hub is not None:
        exporting.refuse_without_hub(hub)
    screen = sys.stderr if args.json else sys.stdout
    label = target.name if target.step is None else f"{target.name} at step {target.step}"
    with exporting.ending_well(), exporting.told_on(screen), exporting.put_in_place(folder) as beside:
        print(f"exporting {printable(label)} …", file=screen, flush=True)
        exported = engine.export(target.recipe, target.base, target.trained, beside, adapter_only=args.adapter)
        card = model_card(target, exported, beside, hub or folder.absolute().name)
        (beside / "README.md").write_text(card, encoding="utf-8")
    if hub is not None:
        print(f"pushing to {hub} …", file=screen, flush=True)
        hub = exporting.push(folder, hub)
    if args.json:
        print(json.dumps(_as_json(target, exported, folder, hub)))
    else:
        numbers = f"{exported.format}, {exported.dtype}, {exported.parameters:,} parameters"
        print(f"{printable(str(folder))}: {numbers}; README.md there says how to use it")
    return 0


def _as_json(target: "Target", exported: "Exported", folder: "Path", hub: str | None) -> dict[str, Any]:
    return {
        "path": str(folder.absolute()),
        "format": exported.format,
        "dtype": exported.dtype,
        "parameters": exported.parameters,
        "base": target.recipe.model_name_or_path,
        "step": target.step,
        "run": target.run.name if target.run is not None else None,
        "hub": hub,
    }


def _target(args: argparse.Namespace) -> "Target":
    from grpoctl.targets import find_target

    names = [word for word in args.words if "=" not in word]
    changes = [word for word in args.words if "=" in word]
    if len(names) > 1:
        raise InputError(Finding(f"takes one run or recipe, and got {len(names)}", "name one", file="grpoctl export"))
    name = names[0] if names else None
    if name is not None and name.endswith((".yaml", ".yml")):
        if args.checkpoint is not None:
            raise InputError(Finding("is no run, and only runs have checkpoints", "leave --checkpoint out", file=name))
        return _of_recipe(name, [*changes, *([f"export_dir={json.dumps(args.to)}"] if args.to else [])])
    target, _ = find_target(name, changes, args.checkpoint)
    return target


def _of_recipe(file: str, changes: list[str]) -> "Target":
    """The model that an export recipe names, with its adapters."""
    from grpoctl.model_download import fetch_models
    from grpoctl.model_files import fault_of_folder, find_model
    from grpoctl.preflight import check
    from grpoctl.preflight.words import tell_findings
    from grpoctl.recipe.load import read_recipe
    from grpoctl.targets import Target

    reading = read_recipe(file, changes)
    if reading.recipe is not None:
        _refuse_what_trains(reading.recipe, file)
    found = check(reading)
    if found.recipe is None or found.errors:
        raise RecipeError(found.errors)
    tell_findings(found.warnings)
    recipe = found.recipe
    fetch_models(recipe)
    name = str(recipe.model_name_or_path)
    base = find_model(name, recipe.model_revision, recipe.cache_dir)
    fault = fault_of_folder(base) if base is not None else ("is not here", "check the name")
    if base is None or fault is not None:
        problem, fix = fault or ("is not here", "check the name")
        raise InputError(Finding(f"names {name}, which {problem}", fix, key="model_name_or_path", file=file))
    return Target(name, recipe, base)


def _refuse_what_trains(recipe: "Recipe", file: str) -> None:
    if recipe.is_export:
        return
    if recipe.model_copy(update={"export_dir": "."}).is_export:
        raise InputError(Finding("names no folder to write to", "add export_dir, or --to DIR", file=file))
    fix = "name the run that came of it (grpoctl runs), or take out what it trains on and by"
    raise InputError(Finding("is a recipe to train by", fix, file=file))
