"""What do rewards say of given completions, and why: which answer is read, is it in its tags, is it near?"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from grpoctl.data.chat import ChatTokenizer
from grpoctl.data.problems import Problem
from grpoctl.data.rows import Row, gold_answer
from grpoctl.errors import Finding, InputError
from grpoctl.model_files import find_tokenizer
from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.anywhere import answer_anywhere
from grpoctl.rewards.own import is_own
from grpoctl.rewards.registry import FROM_RECIPE, BadReward, ReadyReward, Reward, all_rewards, ready_reward
from grpoctl.rewards.scoring import Scorer, Scores
from grpoctl.rewards.tags import has_pair
from grpoctl.samples import Completion, Sample, scored_samples

MOST = 16  # completions at once
TIMEOUT_S = 5.0
# They run what is pasted, load a model, or ask another server: for that a command is given by hand.
_BY_HAND = ("code", "compiles", "model", "server")
_PARTED = re.compile(r"^---[ \t]*$", re.MULTILINE)


def completions_in(text: str) -> list[str]:
    """One, or several with a line of --- between them."""
    found = [part.strip("\r\n") for part in _PARTED.split(text)]
    return [part for part in found if part.strip()]


def offered() -> dict[str, Reward]:
    """The built-in rewards that need nothing but a completion, a question and a gold answer."""
    return {name: found for name, found in all_rewards().items() if name not in _BY_HAND and _is_simple(found)}


def _is_simple(found: Reward) -> bool:
    needs = [name for name, p in found.arguments.items() if p.default is p.empty and name not in FROM_RECIPE]
    return not needs and "completion_tokens" not in found.columns


def split(uses: Sequence[RewardUse]) -> tuple[list[RewardUse], list[str]]:
    """Those that may be asked from here, and the names of those that may not."""
    by_hand = [use.use for use in uses if is_own(use.use) or use.use in _BY_HAND]
    return [use for use in uses if use.use not in by_hand], by_hand


def score(texts: Sequence[str], question: str, gold: str, recipe: Recipe) -> dict[str, Any]:
    """Plain values for the page: each completion's scores and what was read in it, and which rewards were left out."""
    if recipe.reads_pictures:
        raise InputError(Finding("reads pictures, whose answers are digits", "choose another", file="recipe"))
    lengths = _tokens(texts, recipe)
    gold, lacks = gold_answer(gold), _lacking(gold, lengths)
    uses, by_hand = split(recipe.reward_funcs)
    given = [_ready(use, recipe) for use in uses]
    rewards = [ready for ready in given if not set(ready.reward.columns) & lacks]
    without = [ready for ready in given if ready not in rewards]
    scorer = _Told(rewards, recipe.model_copy(update={"reward_timeout_s": TIMEOUT_S}), counts=False)
    rows = [Problem(question, Row(question, gold))] * len(texts)
    asked = [Completion(text, count, False) for text, count in zip(texts, lengths or [0] * len(texts), strict=True)]
    samples = scored_samples([(0, place) for place in range(len(texts))], rows, asked, recipe, scorer)
    found = scorer.found
    return {
        "completions": [
            _as_values(sample, recipe, bool(gold), None if lengths is None else sample.tokens) for sample in samples
        ],
        "totals": [None if math.isnan(total) else total for total in found.totals],
        "faults": {name: f"{found.failures[name]} × {fault.said}" for name, fault in found.first_faults.items()},
        "by_hand": by_hand,
        "without": {ready.reward.name: sorted(set(ready.reward.columns) & lacks) for ready in without},
    }  # fmt: skip


class _Told(Scorer):
    """A scorer that keeps what it found last, its faults too."""

    found = Scores({}, [])

    def score(self, completions: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Scores:
        self.found = super().score(completions, columns)
        return self.found


def _ready(use: RewardUse, recipe: Recipe) -> ReadyReward:
    try:
        return ready_reward(use, recipe)
    except BadReward as error:
        raise InputError(Finding(error.problem, error.fix, key=use.use, file="reward_funcs")) from None


def _tokens(texts: Sequence[str], recipe: Recipe) -> list[int] | None:
    """How many each has, where the recipe's tokenizer is here."""
    folder = find_tokenizer(recipe) if recipe.model_name_or_path else None
    if folder is None or not (folder / "tokenizer.json").is_file():
        return None
    return list(ChatTokenizer(folder).lengths(list(texts)))


def _lacking(gold: str, lengths: object) -> set[str]:
    """Columns that nobody gave."""
    return ({"answer", "references"} if not gold else set()) | ({"completion_tokens"} if lengths is None else set())


def _as_values(sample: Sample, recipe: Recipe, has_gold: bool, tokens: int | None) -> dict[str, Any]:
    text = sample.completion
    tags = {tag: has_pair(text, tag) for tag in (recipe.reasoning_tag, recipe.answer_tag)}
    return {
        "begins": text[:200],
        "extracted": sample.extracted,
        "anywhere": answer_anywhere(text, recipe.answer_tag),
        "tags": tags,
        "right": sample.right if has_gold else None,
        "near": sample.near if has_gold else None,
        "right_anywhere": sample.right_anywhere if has_gold else None,
        "tokens": tokens,
        "rewards": sample.rewards,
    }
