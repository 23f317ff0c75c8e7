"""Compare the engines: whether one recipe means the same to TRL and to Tunix.

  grpoctl parity recipes/quickstart.yaml
  grpoctl parity my.yaml loss_type=dapo --steps 0

Both engines' own losses get the same steps: under the recipe, and under each loss_type with KL, clip-higher,
completions left out and two micro-batches. Then both train the tiny model on the same completions, as the recipe says.

Exit code 0 where they agree, 1 where they do not, 2 where the recipe is wrong or an engine is missing."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from grpoctl.errors import Finding, InputError, RecipeError

if TYPE_CHECKING:
    from grpoctl.parity.losses import Difference
    from grpoctl.parity.replay import Comparison
    from grpoctl.recipe.schema import Recipe

_ENGINES = ("trl", "tunix")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe file, or the name of a built-in recipe")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="keys to change")
    parser.add_argument(
        "--steps", type=int, default=10, metavar="N", help="optimiser steps of the training (default 10; 0: none)"
    )


def run(args: argparse.Namespace) -> int:
    recipe = _recipe(args)
    # Both engines take seconds to load, which a wrong recipe need not wait for.
    from grpoctl.counted import counted
    from grpoctl.parity.losses import compare_losses
    from grpoctl.parity.replay import compare_replays

    screen = sys.stderr if args.json else sys.stdout
    print("comparing the losses of TRL and Tunix …", file=screen, flush=True)
    differences = list(compare_losses(recipe))
    if not args.json:
        print("\n".join(_in_lines(differences)))
    replay = None
    if args.steps:
        print(f"training the tiny model with both for {counted(args.steps, 'step')} …", file=screen, flush=True)
        replay = compare_replays(recipe, args.steps)
    ok = all(difference.ok for difference in differences) and (replay is None or replay.ok)
    if args.json:
        cases = [difference.as_json() for difference in differences]
        print(json.dumps({"ok": ok, "cases": cases, "replay": replay.as_json() if replay else None}))
    elif replay is not None:
        print("\n".join(_replay_in_lines(replay)))
    return 0 if ok else 1


def _recipe(args: argparse.Namespace) -> "Recipe":
    from grpoctl.engines.base import engine_for
    from grpoctl.recipe.load import read_recipe
    from grpoctl.recipe.schema import engine_of

    if args.steps < 0:
        raise InputError(Finding(f"is {args.steps}", "use 0 or more", file="--steps"))
    reading = read_recipe(args.recipe, args.overrides)
    errors = [finding for finding in reading.findings if finding.level == "error"]
    if reading.recipe is None or errors:
        raise RecipeError(errors)
    if engine_of(reading.recipe) == "mlp" or reading.recipe.is_export:
        raise InputError(Finding("is not for TRL and Tunix", "take one that trains a language model", file=args.recipe))
    for name in _ENGINES:
        engine_for(name, args.recipe)
    return reading.recipe.resolved()


def _in_lines(differences: "list[Difference]") -> list[str]:
    from grpoctl.table import table

    rows = [["step", "loss", "gradient", ""]]
    for each in differences:
        verdict = "" if each.ok else "differs"
        rows.append([each.name, f"{each.loss_difference:.1e}", f"{each.gradient_difference:.1e}", verdict])
    agree, tolerance = sum(each.ok for each in differences), differences[0].tolerance
    return [*table(rows, right=(1, 2)), f"{agree} of {len(differences)} agree within {tolerance:g}", ""]


def _replay_in_lines(replay: "Comparison") -> list[str]:
    from grpoctl.table import table

    numbers = {
        "advantages": replay.advantages,
        "loss": replay.losses,
        "kl": replay.kls,
        "grad_norm": replay.grad_norms,
        "weights": replay.weights,
    }
    rows = [["largest difference", ""], *([name, f"{value:.1e}"] for name, value in numbers.items())]
    said = "agree" if replay.ok else "differ"
    return [*table(rows, right=(1,)), f"the trainings {said}: the weights end {replay.weights:.2%} of their way apart"]
