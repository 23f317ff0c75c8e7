"""Train a model with GRPO, from a recipe.

  grpoctl train recipes/quickstart.yaml
  grpoctl train my.yaml learning_rate=1e-5 num_generations=16
  grpoctl train --resume                    go on with the latest run
  grpoctl train --resume NAME max_steps=200

Ctrl-C stops behind the current step, with a checkpoint to go on from; a second one ends at once.
Exit code 0 finished, 1 failed, 2 the recipe is wrong, 130 or 143 stopped."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpoctl.errors import Finding, InputError

if TYPE_CHECKING:
    from grpoctl.plan import Plan

WARNS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="a recipe file, or the name of a built-in recipe")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="keys to change")
    parser.add_argument("--dry-run", action="store_true", help="stop after the checks")
    parser.add_argument(
        "--resume", nargs="?", const="latest", metavar="RUN", help="go on with a run (default: the latest)"
    )
    parser.add_argument("--worker", metavar="FOLDER", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    # pydantic and what stands on it take 0.15 s, which --help need not wait for.
    from grpoctl import plan as planning
    from grpoctl import training, worker
    from grpoctl.run.directory import RunDirectory
    from grpoctl.run.view import view_run

    if args.worker:
        words = [word for word in (args.recipe, *args.overrides) if word]
        worker.take_part(RunDirectory(Path(args.worker)), words)
    plan = _plan(args)
    screen = sys.stderr if args.json else sys.stdout
    _say(plan, screen)
    engine = planning.refuse_what_cannot_train(plan)
    if args.dry_run:
        if args.json:
            print(json.dumps(_dry_run(plan)))
        else:
            print(f"a dry run: {_what_would_be(plan)}; nothing was written.")
        return 0
    planning.refuse_missing_packages(plan)
    planning.refuse_missing_data(plan)
    directory, outcome = training.carry_out(plan, engine, screen)
    if args.json:
        print(json.dumps(view_run(directory).as_json()))
    return 0 if outcome.stopped_by is None else 128 + outcome.stopped_by


def _what_would_be(plan: "Plan") -> str:
    from grpoctl.counted import counted

    steps = plan.found.plan.steps if plan.found.plan is not None else None
    many = "as many steps as the data gives" if steps is None else counted(steps, "step")
    if plan.resumed is not None:
        return f"{plan.resumed.name} would go on to step {steps}"
    return f"{plan.recipe_file} would be trained for {many}"


def _dry_run(plan: "Plan") -> dict[str, Any]:
    warnings = [finding.as_json() for finding in plan.found.warnings]
    recipe = plan.recipe.model_dump(mode="json")
    return {"ok": True, "dry_run": True, "warnings": warnings, "max_steps": plan.max_steps, "recipe": recipe}


def _plan(args: argparse.Namespace) -> "Plan":
    """What is to be trained: `--resume` may stand before or behind what it goes on with."""
    from grpoctl import plan as planning
    from grpoctl.dataset_download import fetch_datasets
    from grpoctl.model_download import fetch_models

    if args.resume is not None:
        words = [word for word in (args.recipe, *args.overrides) if word]
        if "=" in args.resume:  # --resume max_steps=200: argparse takes the change for the run
            words, args.resume = [args.resume, *words], "latest"
        for word in words:
            if "=" not in word:
                fix = f"use grpoctl train --resume RUN, without {word}"
                raise InputError(Finding("takes a run and key=value", fix, file="--resume"))
        return planning.plan_resume(args.resume, words)
    if args.recipe is None:
        raise InputError(Finding("takes a recipe", "see grpoctl train --help", file="grpoctl train"))
    plan = planning.plan_new(args.recipe, args.overrides)
    if plan.found.errors or args.dry_run:
        return plan
    # Gigabytes are fetched for what can train alone, and then its prompts can be checked too.
    planning.refuse_what_cannot_train(plan)
    planning.refuse_missing_packages(plan)
    fetched = [fetch_datasets(plan.recipe), fetch_models(plan.recipe)]
    return planning.plan_new(args.recipe, args.overrides) if any(fetched) else plan


def _say(plan: "Plan", screen: Any) -> None:
    from grpoctl.errors import RecipeError
    from grpoctl.preflight.words import print_facts, tell_findings

    if plan.found.errors:
        tell_findings(plan.found.warnings)
        raise RecipeError(plan.found.errors)
    tell_findings(plan.found.findings)
    print_facts(plan.found, screen)
    screen.flush()
