"""List the rewards, or score given completions with some.

  grpoctl reward list
  grpoctl reward test recipes/quickstart.yaml --file completions.jsonl
  grpoctl reward test --reward check_answer --reward my_rewards.py:brevity --file completions.jsonl

A line of FILE is {"prompt": …, "completion": …, "answer": …} and whatever other columns the rewards read; a run's
completions/*.jsonl are such files. --reward '{use: length, max_tokens: 300}' names one with arguments."""

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpoctl.errors import Finding, InputError, printable

if TYPE_CHECKING:
    from grpoctl.completions import Completions
    from grpoctl.recipe.load import RecipeReading
    from grpoctl.recipe.schema import Recipe
    from grpoctl.rewards.registry import ReadyReward, Reward
    from grpoctl.rewards.scoring import Scores

# A call of a slow reward has a time-out, so a long file is scored in parts of about a step's size.
_AT_ONCE = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "test"], metavar="list|test", help="what to do")
    parser.add_argument(
        "words", nargs="*", default=[], metavar="RECIPE", help="a recipe, and key=value to change in it"
    )
    parser.add_argument("--reward", action="append", default=[], metavar="NAME", help="a reward by name; repeatable")
    parser.add_argument("--file", type=Path, metavar="FILE", help="completions, one JSON object a line")


def run(args: argparse.Namespace) -> int:
    if args.action == "list":
        given = [*args.words, *args.reward, *([str(args.file)] if args.file else [])]
        if given:
            fix = f"leave out {given[0]}, or try it: grpoctl reward test"
            raise InputError(Finding("takes no words, rewards or files", fix, file="grpoctl reward list"))
        _list(args.json)
        return 0
    if args.file is None:
        raise InputError(Finding("wants completions", "add --file completions.jsonl", file="grpoctl reward test"))
    if bool(args.words) == bool(args.reward):
        fix = "give a recipe, or --reward NAME"
        raise InputError(Finding("takes either a recipe or rewards by name", fix, file="grpoctl reward test"))
    return _test(args)


# --- list


def _list(as_json: bool) -> None:
    # The rewards and what stands on pydantic take 0.2 s, which --help need not wait for.
    from grpoctl.rewards.registry import all_rewards

    if as_json:
        print(json.dumps({"rewards": [_reward_as_json(reward) for reward in all_rewards().values()]}))
        return
    for reward in all_rewards().values():
        takes = [f"{name}: {value}" for name, value in _arguments(reward).items()]
        print(f"{reward.name}\n    {reward.summary}")
        print(f"    reads  {', '.join(reward.columns) or 'the completion alone'}")
        print(f"    takes  {', '.join(takes)}" if takes else "    takes  no arguments")
    print("\nmy_rewards.py:name is a function of your own; docs/rewards.md shows its forms.")


def _arguments(reward: "Reward") -> dict[str, str]:
    """Each argument and its default in words."""
    from grpoctl.rewards.registry import FROM_RECIPE

    return {
        name: "the recipe's" if name in FROM_RECIPE else "required" if p.default is p.empty else str(p.default)
        for name, p in reward.arguments.items()
    }


def _reward_as_json(reward: "Reward") -> dict[str, Any]:
    return {
        "name": reward.name,
        "gives": reward.summary,
        "maximum": reward.maximum,
        "columns": list(reward.columns),
        "arguments": _arguments(reward),
    }


# --- test


def _test(args: argparse.Namespace) -> int:
    from grpoctl.completions import read_completions

    recipe, rewards = _from_recipe(args.words) if args.words else (None, _by_name(args.reward))
    given = read_completions(args.file, _counter(recipe))
    for ready in rewards:
        lacking = ready.lacking(given.columns)
        if lacking:
            problem = f"lacks {lacking[0]}, which {ready.reward.name} reads"
            raise InputError(Finding(problem, _fix_of_lacking(lacking[0]), file=str(args.file)))
    scores = _score(rewards, recipe, given)
    if args.json:
        print(json.dumps(_as_json(scores)))
    else:
        _print(given, scores)
    for name, fault in scores.first_faults.items():
        failed = f"reward {name}: fails on {scores.failures[name]} of {len(given.texts)} completions ({fault.said})"
        print(f"{failed}\n{fault.trace}" if args.debug and fault.trace else failed, file=sys.stderr)
    return 1 if scores.failures else 0


def _fix_of_lacking(column: str) -> str:
    from grpoctl.rewards.registry import INSTEAD_OF

    if column in INSTEAD_OF:
        return f"take {INSTEAD_OF[column]}"
    by_recipe = ", or give a recipe, whose tokenizer counts them" if column == "completion_tokens" else ""
    return f"add it to each line{by_recipe}"


def _from_recipe(words: Sequence[str]) -> "tuple[Recipe, list[ReadyReward]]":
    from grpoctl.preflight.result import Preflight, Teller
    from grpoctl.preflight.scores import check_rewards
    from grpoctl.recipe.load import read_recipe

    reading: RecipeReading = read_recipe(words[0], words[1:])
    if reading.recipe is None or reading.errors:
        raise InputError(reading.errors)
    recipe, found = reading.recipe.resolved(), Preflight()
    check_rewards(recipe, found, Teller(reading, found.findings))
    if found.errors:
        raise InputError(found.errors)
    return recipe, found.rewards


def _by_name(names: Sequence[str]) -> "list[ReadyReward]":
    """The rewards named, each with its own defaults. `{use: length, max_tokens: 300}` names one with arguments."""
    from grpoctl.recipe.load import read_recipe_text
    from grpoctl.rewards.registry import BadReward, ready_reward

    # As in reward_funcs, one word may name several.
    parts = [part for name in names for part in ([name] if name.lstrip().startswith("{") else name.split(","))]
    entries = ", ".join(part if part.lstrip().startswith("{") else json.dumps(part.strip()) for part in parts)
    reading = read_recipe_text("{}", "--reward", [f"reward_funcs=[{entries}]"])
    wrong = [finding for finding in reading.errors if finding.key.startswith("reward_funcs")]
    if wrong or reading.recipe is None:
        raise InputError(wrong or reading.errors)
    rewards = []
    for use in reading.recipe.reward_funcs:
        try:
            rewards.append(ready_reward(use, None))
        except BadReward as error:
            argument = error.path[1] if error.path[:1] == ("args",) and len(error.path) > 1 else ""
            key = f"{use.use}.{argument}" if argument else ""
            raise InputError(Finding(error.problem, error.fix, key=key, file="--reward")) from None
    return rewards


def _counter(recipe: "Recipe | None") -> Callable[[Sequence[str]], list[int]] | None:
    """What counts tokens: the recipe's tokenizer, where it is here."""
    from grpoctl.data.chat import ChatTokenizer
    from grpoctl.model_files import find_tokenizer

    folder = find_tokenizer(recipe) if recipe is not None else None
    return ChatTokenizer(folder).lengths if folder is not None and (folder / "tokenizer.json").is_file() else None


def _score(rewards: "Sequence[ReadyReward]", recipe: "Recipe | None", given: "Completions") -> "Scores":
    from grpoctl.rewards.scoring import Scorer, Scores

    scorer = Scorer(rewards, recipe, counts=False)
    all_scores = Scores({name: [] for name in scorer.rewards}, [])
    for start in range(0, len(given.texts), _AT_ONCE):
        part = given.part(start, _AT_ONCE)
        found = scorer.score(part.texts, part.columns)
        all_scores.totals += found.totals
        for name, scores in found.by_reward.items():
            all_scores.by_reward[name] += scores
        for name, count in found.failures.items():
            all_scores.failures[name] = all_scores.failures.get(name, 0) + count
        all_scores.first_faults = {**found.first_faults, **all_scores.first_faults}
    return all_scores


def _as_json(scores: "Scores") -> dict[str, Any]:
    """Each completion's scores by reward, unweighted, and the weighted sums."""
    rows = zip(*scores.by_reward.values(), strict=True)
    return {
        "scores": [dict(zip(scores.by_reward, row, strict=True)) for row in rows],
        "totals": [None if math.isnan(total) else total for total in scores.totals],
        "failures": scores.failures,
        "first_failures": {name: fault.said for name, fault in scores.first_faults.items()},
    }


def _print(given: "Completions", scores: "Scores") -> None:
    from grpoctl.table import table

    several = len(scores.by_reward) > 1
    header = ["", *scores.by_reward, *(["total"] if several else []), "completion"]
    rows = [header]
    gold = given.columns.get("answer")
    for number, (text, total) in enumerate(zip(given.texts, scores.totals, strict=True)):
        cells = [_cell(values[number]) for values in scores.by_reward.values()]
        totals = [_cell(None if math.isnan(total) else total)] if several else []
        wanted = f"  (gold: {str(gold[number])[:20]})" if gold is not None else ""
        rows.append([str(number + 1), *cells, *totals, printable(_ending(text) + wanted)])
    print("\n".join(table(rows, right=range(len(header) - 1))))
    for name, values in scores.by_reward.items():
        numbers = [value for value in values if value is not None]
        mean = f"{math.fsum(numbers) / len(numbers):.4g}" if numbers else "-"
        out = len(values) - len(numbers) - scores.failures.get(name, 0)
        print(f"{name}: mean {mean} of {len(numbers)}" + (f", does not apply to {out}" if out else ""))


def _cell(score: float | None) -> str:
    return "-" if score is None else f"{score:.4g}"


def _ending(completion: str) -> str:
    """Answers stand at the end."""
    text = " ".join(completion[-200:].split())
    return text if len(text) <= 60 and len(completion) <= 200 else f"…{text[-59:]}"
