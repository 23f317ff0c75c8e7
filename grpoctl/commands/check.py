"""Check a recipe: everything that can be known before a model is loaded.

  grpoctl check recipes/quickstart.yaml
  grpoctl check my.yaml learning_rate=1e-5 reward_funcs=accuracy,format

Exit code 0 where it can be trained (warnings included), 2 where it cannot."""

import argparse
import json
import sys
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from grpoctl.engines.base import ENGINES
from grpoctl.paths import user_path

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
    for finding in found.errors:
        print(f"error: {finding}", file=sys.stderr)
    for finding in found.warnings:
        print(f"warning: {finding}", file=sys.stderr)
    if not found.errors:
        for name, text in _facts(found).items():
            print(f"  {name:<9} {text}")
    print(f"{file}: {_count(found.errors, 'error')}, {_count(found.warnings, 'warning')}")


def _facts(found: "Preflight") -> dict[str, str]:
    """What the recipe comes to, a line each."""
    from grpoctl.recipe.schema import other_defaults

    recipe = found.recipe
    if recipe is None:
        return {}
    if recipe.is_export:
        return {"export": f"{recipe.model_name_or_path} to {recipe.export_dir}, by grpoctl export"}
    facts = {"engine": _engine_in_words(recipe)}
    if recipe.hidden_sizes is not None:
        return {**facts, "network": f"hidden layers of {', '.join(map(str, recipe.hidden_sizes))}"}
    facts["model"] = str(recipe.model_name_or_path)
    facts["data"] = _rows_in_words(recipe.dataset, found.rows, found.prompt_tokens)
    if recipe.eval_dataset:
        facts["eval"] = _rows_in_words(recipe.eval_dataset, found.eval_rows, [])
    if found.prompts:
        facts["prompt"] = json.dumps(found.prompts[0], ensure_ascii=False)
    if found.gold_scores and found.rows:
        names = " + ".join(f"{ready.weight:g} x {ready.reward.name}" for ready in found.rewards)
        gold = f"the gold answer {found.rows[0].answer[:40]} earns {sum(found.gold_scores):g}"
        facts["rewards"] = f"{names}: {gold}, an empty one {sum(found.empty_scores):g}"
    if found.plan is not None:
        facts["step"] = found.plan.in_words()
        facts["loss"] = _loss_in_words(recipe)
        facts["limits"] = f"prompt {recipe.max_prompt_length} tokens, completion {recipe.max_completion_length}"
    theirs = other_defaults(recipe)
    if theirs:
        differing = [f"{key} {here} (not {there})" for key, (here, there) in theirs.items() if here != there]
        facts["defaults"] = f"other than LLaMA-Factory's: {', '.join(differing)}"
    facts["output"] = str(user_path(recipe.output_dir)) if recipe.output_dir else "a new folder below saves/"
    return facts


def _rows_in_words(names: Sequence[str], rows: Sequence[object] | None, lengths: Sequence[int]) -> str:
    said = "not on this machine" if rows is None else f"{len(rows)} rows"
    if lengths:
        said += f", prompts of {min(lengths)} to {max(lengths)} tokens (median {median(lengths):g})"
    return f"{', '.join(names)}: {said}"


def _engine_in_words(recipe: "Recipe") -> str:
    if recipe.engine == "mlp":
        return f"mlp ({ENGINES['mlp'].title})"
    kind = f"LoRA of rank {recipe.lora_rank}" if recipe.finetuning_type == "lora" else "every weight"
    bits = f", {recipe.quantization_bit}-bit base" if recipe.quantization_bit else ""
    return f"{recipe.engine} ({ENGINES[recipe.engine].title}), {kind}{bits}"


def _loss_in_words(recipe: "Recipe") -> str:
    scaled = {"group": "the group's std", "batch": "the batch's std", "none": "nothing"}[recipe.scale_rewards]
    clip = f"ratio clipped to {1 - recipe.epsilon:g} … {1 + (recipe.epsilon_high or recipe.epsilon):g}"
    return f"{recipe.loss_type}, advantage divided by {scaled}, KL weight {recipe.pref_beta:g} (pref_beta), {clip}"


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


def _count(findings: list[Any], word: str) -> str:
    return f"{len(findings)} {word}{'' if len(findings) == 1 else 's'}"
