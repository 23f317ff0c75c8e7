"""Check a recipe: everything that can be known before a model is loaded.

  grpoctl check recipes/quickstart.yaml
  grpoctl check my.yaml learning_rate=1e-5 reward_funcs=accuracy,format

Exit code 0 where it can be trained (warnings included), 2 where it cannot."""

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grpoctl.preflight import Preflight
    from grpoctl.recipe.schema import Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe file, or the name of a built-in recipe")
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="key=value",
        help="keys to change, as in learning_rate=1e-5",
    )


def run(args: argparse.Namespace) -> int:
    # pydantic and what stands on it take 0.15 s, which --help need not wait for.
    from grpoctl import preflight
    from grpoctl.recipe.load import read_recipe

    found = preflight.check(read_recipe(args.recipe, args.overrides))
    if args.json:
        print(json.dumps(_as_json(found)))
    else:
        _print(found, args.recipe)
    return 2 if found.errors else 0


def _print(found: "Preflight", file: str) -> None:
    from grpoctl.counted import counted
    from grpoctl.preflight.words import print_facts, tell_findings

    tell_findings(found.findings)
    if not found.errors:
        print_facts(found)
    print(f"{file}: {counted(len(found.errors), 'error')}, {counted(len(found.warnings), 'warning')}")


def _as_json(found: "Preflight") -> dict[str, Any]:
    plan = found.plan
    return {
        "ok": not found.errors,
        "errors": [finding.as_json() for finding in found.errors],
        "warnings": [finding.as_json() for finding in found.warnings],
        "engine": found.recipe.engine if found.recipe else None,
        "rows": len(found.rows) if found.rows is not None else None,
        "prompt_tokens": {"min": min(found.prompt_tokens), "max": max(found.prompt_tokens)}
        if found.prompt_tokens
        else None,
        "prompts_per_step": plan.prompts if plan else None,
        "completions_per_step": plan.completions if plan else None,
        "steps": plan.steps if plan else None,
        "defaults": _defaults(found.recipe) if found.recipe else {},
        "recipe": found.recipe.model_dump(mode="json") if found.recipe else None,
    }


def _defaults(recipe: "Recipe") -> dict[str, dict[str, object]]:
    from grpoctl.recipe.schema import other_defaults

    return {key: {"here": here, "llamafactory": there} for key, (here, there) in other_defaults(recipe).items()}
