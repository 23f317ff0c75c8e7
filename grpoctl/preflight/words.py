"""What does a checked recipe come to, in words for people?"""

import json
import sys
from collections.abc import Sequence
from statistics import median
from typing import TextIO

from grpoctl.counted import counted
from grpoctl.data.guess import guess_in_words
from grpoctl.engines.base import ENGINES
from grpoctl.errors import Finding, printable
from grpoctl.paths import user_path
from grpoctl.preflight.result import Preflight
from grpoctl.recipe.schema import Recipe, other_defaults
from grpoctl.recipe.steps import held_back
from grpoctl.run.directory import runs_root


def tell_findings(findings: Sequence[Finding]) -> None:
    """Errors and then warnings, a line each, on standard error."""
    for level in ("error", "warning"):
        for finding in findings:
            if finding.level == level:
                print(f"{level}: {finding}", file=sys.stderr)


def print_facts(found: Preflight, stream: TextIO | None = None) -> None:
    for name, text in facts(found).items():
        print(f"  {name:<9} {text}", file=stream)


def facts(found: Preflight) -> dict[str, str]:
    """What the recipe comes to, a line each."""
    recipe = found.recipe
    if recipe is None:
        return {}
    if recipe.is_export:
        return {"export": f"{recipe.model_name_or_path} to {recipe.export_dir}, by grpoctl export"}
    said = {"engine": _engine_in_words(recipe)}
    if recipe.hidden_sizes is not None:
        said["network"] = f"hidden layers of {', '.join(map(str, recipe.hidden_sizes))}"
    else:
        said["model"] = str(recipe.model_name_or_path)
    said["data"] = _rows_in_words(recipe.dataset, found.rows, found.prompt_tokens)
    for name, columns in found.guessed.items():
        read = guess_in_words(columns)
        said["columns"] = f"{said['columns']}; {name}: {read}" if "columns" in said else f"{name}: {read} (guessed)"
    if recipe.val_size and found.rows:
        kept = held_back(recipe, len(found.rows))
        said["eval"] = f"{kept} of these rows, not trained on (val_size)"
    if recipe.eval_dataset:
        said["eval"] = _rows_in_words(recipe.eval_dataset, found.eval_rows, [])
    if found.prompts and not recipe.reads_pictures:
        said["prompt"] = json.dumps(found.prompts[0], ensure_ascii=False)
    names = " + ".join(f"{ready.weight:g} x {ready.reward.name}" for ready in found.rewards)
    if found.rewards:
        said["rewards"] = names
    if found.gold_scores and found.rows:
        gold = f"the gold answer {printable(found.rows[0].answer[:40])} earns {sum(found.gold_scores):g}"
        untried = ", ".join(ready.reward.name for ready in found.rewards if not ready.reward.tried_by_check)
        without = f" (without {untried})" if untried else ""
        said["rewards"] = f"{names}: {gold}, an empty one {sum(found.empty_scores):g}{without}"
    if found.plan is not None:
        said["step"] = found.plan.in_words()
        said["loss"] = _loss_in_words(recipe)
        if not recipe.reads_pictures:
            said["limits"] = f"prompt {recipe.max_prompt_length} tokens, completion {recipe.max_completion_length}"
    theirs = {} if recipe.reads_pictures else other_defaults(recipe)
    if theirs:
        differing = [f"{key} {_default(here)} (not {there})" for key, (here, there) in theirs.items() if here != there]
        said["defaults"] = f"other than LLaMA-Factory's: {', '.join(differing)}"
    said["output"] = str(user_path(recipe.output_dir)) if recipe.output_dir else f"a new folder below {runs_root()}/"
    return said


def _rows_in_words(names: Sequence[str], rows: Sequence[object] | None, lengths: Sequence[int]) -> str:
    said = "not on this machine" if rows is None else counted(len(rows), "row")
    if lengths:
        said += _lengths_in_words(lengths)
    return f"{', '.join(names)}: {said}"


def _default(value: object) -> str:
    return "as many as fit" if value is None else str(value)


def _lengths_in_words(lengths: Sequence[int]) -> str:
    if min(lengths) == max(lengths):
        return f", prompts of {counted(max(lengths), 'token')}"
    return f", prompts of {min(lengths)} to {max(lengths)} tokens (median {median(lengths):g})"


def _engine_in_words(recipe: Recipe) -> str:
    if recipe.engine == "mlp":
        return f"mlp ({ENGINES['mlp'].title})"
    kind = f"LoRA of rank {recipe.lora_rank}" if recipe.finetuning_type == "lora" else "every weight"
    bits = f", {recipe.quantization_bit}-bit base" if recipe.quantization_bit else ""
    return f"{recipe.engine} ({ENGINES[recipe.engine].title}), {kind}{bits}"


def _loss_in_words(recipe: Recipe) -> str:
    if recipe.stage == "ppo":
        compared = "what a critic expects"
    elif recipe.baseline == "moving_average":
        compared = "a moving average of all"
    else:
        compared = "the step's mean" if recipe.group == "batch" else ""
    scaled = {"group": "the group's std", "batch": "the batch's std", "none": "nothing"}[recipe.scale_rewards]
    clip = f"ratio clipped to {1 - recipe.epsilon:g} … {1 + (recipe.epsilon_high or recipe.epsilon):g}"
    name = f"{recipe.stage}, reward against {compared}" if compared else recipe.loss_type
    return f"{name}, advantage divided by {scaled}, KL weight {recipe.pref_beta:g} (pref_beta), {clip}"
