"""Study the group size: the same digits learned with G from 2 to 128, against theory and the document's advice.

grpoctl study recipes/mnist_grpo.yaml                     as many updates for every G
grpoctl study recipes/mnist_grpo.yaml --fixed samples     as many samples: a larger G gets fewer updates
grpoctl study mnist_grpo max_steps=200 --sizes 2,8,32 --seeds 5 --to g.png"""

import argparse
import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

from grpoctl.counted import counted
from grpoctl.errors import Finding, InputError, RecipeError
from grpoctl.packages import missing_packages

if TYPE_CHECKING:
    from grpoctl.plan import Plan
    from grpoctl.study.result import SizeResult

_SIZES = (2, 4, 8, 16, 32, 64, 128)
_LARGEST, _MOST_SEEDS = 1024, 100
_PICTURE = "group_size.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe of engine mlp, by file or name")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="keys to change")
    parser.add_argument("--sizes", default=",".join(map(str, _SIZES)), metavar="G,G", help="group sizes (2 to 128)")
    parser.add_argument(
        "--fixed", choices=["updates", "samples"], default="updates", help="what every size has the same of (updates)"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings with each size (3)")
    parser.add_argument("--to", metavar="FILE.png", help="the picture (group_size.png, or the next number behind it)")


def run(args: argparse.Namespace) -> int:
    sizes = _sizes(args)
    if missing_packages(("matplotlib",)):
        raise InputError(Finding("takes matplotlib, which is not installed", "pip install matplotlib", file="--to"))
    # pydantic and what stands on it take 0.15 s, which --help need not wait for.
    from grpoctl.study.plot import draw_study, free_path, png_path
    from grpoctl.study.table import study_in_lines

    path = free_path(_PICTURE) if args.to is None else png_path(args.to)
    plan = _plan(args)
    _refuse_more_than_the_budget(plan, sizes, args)
    screen = sys.stderr if args.json else sys.stdout
    results = _results(plan, sizes, args, screen)
    budget = "the same number of updates" if args.fixed == "updates" else "the same number of samples"
    note = " (in place of an older one)" if path.exists() else ""
    picture = str(draw_study(results, budget, path))
    if args.json:
        print(json.dumps(_as_json(args, results, picture)))
    else:
        print("\n".join(["", *study_in_lines(results), "", f"picture: {picture}{note}"]))
    return 0


def _sizes(args: argparse.Namespace) -> list[int]:
    parts = [part.strip() for part in args.sizes.split(",")]
    sizes = [int(part) for part in parts if part.isascii() and part.isdigit()]
    if len(sizes) < len(parts) or not all(2 <= size <= _LARGEST for size in sizes):
        raise InputError(Finding(f"is {args.sizes[:60]}", f"use numbers from 2 to {_LARGEST}: 2,8,32", file="--sizes"))
    if not 1 <= args.seeds <= _MOST_SEEDS:
        raise InputError(Finding(f"is {args.seeds}", f"use 1 to {_MOST_SEEDS}", file="--seeds"))
    return sorted(set(sizes))


def _refuse_more_than_the_budget(plan: "Plan", sizes: list[int], args: argparse.Namespace) -> None:
    """As many samples for all sizes is no promise that a size can keep whose first update takes more of them."""
    budget = plan.max_steps * plan.recipe.num_generations
    if args.fixed == "samples" and sizes[-1] > budget:
        drawn = f"{counted(plan.max_steps, 'update')} with num_generations {plan.recipe.num_generations}"
        said = f"has {sizes[-1]}, more than the {budget:,} answers to a picture in {drawn}"
        fix = f"use sizes up to {budget:,}, or raise max_steps"
        raise InputError(Finding(said, fix, file="--sizes"))


def _plan(args: argparse.Namespace) -> "Plan":
    """The recipe with its digits here, or InputError."""
    from grpoctl.dataset_download import fetch_datasets
    from grpoctl.plan import plan_new, refuse_missing_data, refuse_what_cannot_train
    from grpoctl.preflight.words import tell_findings

    plan = plan_new(args.recipe, args.overrides)
    if plan.found.errors:
        raise RecipeError(plan.found.errors)
    recipe = plan.recipe
    if not recipe.reads_pictures:
        raise InputError(
            Finding("trains a language model", "take one for digits, such as mnist_grpo", file=args.recipe)
        )
    for key, wanted in (("stage", "grpo"), ("group", "prompt"), ("baseline", "mean")):
        if getattr(recipe, key) != wanted:
            problem = f"is {getattr(recipe, key)}, which has no group of answers to one picture"
            raise InputError(Finding(problem, f"use {key}: {wanted}", key=key, file=args.recipe))
    refuse_what_cannot_train(plan)
    if fetch_datasets(recipe):
        plan = plan_new(args.recipe, args.overrides)
    refuse_missing_data(plan)
    tell_findings(plan.found.warnings)
    return plan


def _results(plan: "Plan", sizes: list[int], args: argparse.Namespace, screen: Any) -> "list[SizeResult]":
    from grpoctl.engines.base import ENGINES
    from grpoctl.problems import split_problems

    recipe, steps = plan.recipe, plan.max_steps
    problems, tests = split_problems(recipe, plan.found)
    if not tests:
        raise InputError(Finding("is missing", "name digits to test on, or give val_size", key="eval_dataset"))
    module = importlib.import_module(str(ENGINES[recipe.engine].study))
    results = []
    for size in sizes:
        updates = steps if args.fixed == "updates" else max(1, round(steps * recipe.num_generations / size))
        print(f"G = {size}: {counted(args.seeds, 'time')} {counted(updates, 'update')} …", file=screen, flush=True)
        results.append(module.train_with(recipe, problems, tests, size, updates, args.seeds))
    return results


def _as_json(args: argparse.Namespace, results: "list[SizeResult]", picture: str) -> dict[str, Any]:
    from grpoctl.study.result import RECOMMENDED

    return {
        "fixed": args.fixed,
        "seeds": args.seeds,
        "sizes": [each.as_json() for each in results],
        "recommended": [{"for": what, "num_generations": size, "why": why} for what, size, why in RECOMMENDED],
        "picture": picture,
    }
