"""Do the rewards exist, and does a gold answer earn what they can give?"""

from collections.abc import Mapping
from typing import Any

from grpoctl.data.problems import columns_of
from grpoctl.data.rows import Row
from grpoctl.preflight.result import Preflight, Teller
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import BadReward, ReadyReward, ready_reward
from grpoctl.rewards.scoring import BrokenReward, scores_of

# Gold answers are tried on so many rows: enough to see what kind they are.
GOLD_ROWS = 200

# Longer ones are worked solutions, which no model repeats word for word.
LONG_ANSWER = 80


def check_rewards(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    for number, use in enumerate(recipe.reward_funcs):
        try:
            result.rewards.append(ready_reward(use, recipe))
        except BadReward as error:
            tell.error(("reward_funcs", number, *error.path), error.problem, error.fix)


def gold_completion(recipe: Recipe, row: Row, reasoning: str, own_tags: Mapping[str, Any] | None = None) -> str:
    """What a perfect model would write, in the recipe's tags or in those that a reward has of its own."""
    tags = {"reasoning_tag": recipe.reasoning_tag, "answer_tag": recipe.answer_tag, **(own_tags or {})}
    think, answer = tags["reasoning_tag"], tags["answer_tag"]
    return f"<{think}>{reasoning}</{think}>\n<{answer}>{row.answer}</{answer}>"


def score_gold_answers(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    """A completion with the gold answer must earn each reward's maximum, or the reward and the data do not fit."""
    rows = (result.rows or [])[:GOLD_ROWS]
    columns = columns_of(rows)
    for number, ready in enumerate(result.rewards):
        lacking = [column for column in ready.reward.columns if column not in columns]
        if lacking:
            problem = f"uses {ready.reward.name}, which reads {lacking[0]}, a column that the data lacks"
            tell.error(("reward_funcs", number), problem, "add the column")
            continue
        gold = [gold_completion(recipe, row, "\nas the data set says\n", ready.arguments) for row in rows]
        try:
            given, faults = scores_of(ready, gold, columns)
            empty, _ = scores_of(ready, [""] * len(rows), columns)
        except BrokenReward as error:
            tell.error(("reward_funcs", number), f"uses {ready.reward.name}, which {error.problem}", error.fix)
            continue
        if faults:
            problem = f"uses {ready.reward.name}, which fails on a gold answer ({next(iter(faults.values()))})"
            tell.error(("reward_funcs", number), problem, "mend it or take it out")
            continue
        scores = [score or 0.0 for score in given]
        _tell_of_low_scores(number, ready, scores, rows, tell)
        result.gold_scores.append(ready.weight * scores[0])
        result.empty_scores.append(ready.weight * (empty[0] or 0.0))
    if result.gold_scores and sum(result.gold_scores) <= sum(result.empty_scores):
        tell.warn(
            "reward_funcs", "give a right answer no more than an empty one", "change the rewards or their weights"
        )
    long_ones = [row.answer for row in rows if len(row.answer) > LONG_ANSWER]
    if 2 * len(long_ones) > len(rows) and any("answer" in ready.reward.columns for ready in result.rewards):
        tell.warn(
            "dataset",
            f'has long gold answers ("{long_ones[0][:40]} …"), which a model will not repeat word for word',
            "put the final answer behind #### or into a column of its own, named by columns.answer",
        )


def _tell_of_low_scores(number: int, ready: ReadyReward, scores: list[float], rows: list[Row], tell: Teller) -> None:
    most = ready.reward.maximum
    low = [index for index, score in enumerate(scores) if score != most]
    if most is not None and low:
        earned = f"gives {ready.reward.name} {scores[low[0]]:g} of {most:g}"
        tell.error(
            ("reward_funcs", number),
            f'{earned} for the gold answer "{rows[low[0]].answer[:40]}" ({len(low)} of {len(rows)} tried)',
            "use another reward, or mend the data's answers",
        )
