"""Do the rewards exist, and does a gold answer earn what they can give?"""

from grpoctl.preflight.result import Preflight, Teller
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import BadReward, ready_reward

# Gold answers are tried on so many rows: enough to see what kind they are.
GOLD_ROWS = 200


def check_rewards(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    for number, use in enumerate(recipe.reward_funcs):
        try:
            result.rewards.append(ready_reward(use, recipe))
        except BadReward as error:
            tell.error(("reward_funcs", number, *error.path), error.problem, error.fix)


def score_gold_answers(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    """A completion with the gold answer must earn each reward's maximum, or the reward and the data do not fit."""
    rows = (result.rows or [])[:GOLD_ROWS]
    columns = {name: [row.columns.get(name) for row in rows] for name in set().union(*(row.columns for row in rows))}
    columns["answer"] = [row.answer for row in rows]
    think, answer = recipe.reasoning_tag, recipe.answer_tag
    gold = [f"<{think}>\nas the data set says\n</{think}>\n<{answer}>{row.answer}</{answer}>" for row in rows]
    for number, ready in enumerate(result.rewards):
        name = ready.reward.name
        key = ("reward_funcs", number)
        lacking = [column for column in ready.reward.columns if column not in columns]
        if lacking:
            tell.error(key, f"uses {name}, which reads {lacking[0]}, a column that the data lacks", "add the column")
            continue
        scores = ready.score(gold, columns)
        short = [index for index, score in enumerate(scores) if score is not None and score != ready.reward.maximum]
        if ready.reward.maximum is not None and short:
            index = short[0]
            earned = f"gives {name} {scores[index]:g} of {ready.reward.maximum:g}"
            tell.error(
                key,
                f'{earned} for the gold answer "{rows[index].answer[:40]}" ({len(short)} of {len(rows)} tried)',
                "use another reward, or mend the data's answers",
            )
        empty = ready.score([""] * len(rows), columns)
        result.gold_scores.append(ready.weight * (scores[0] or 0.0))
        result.empty_scores.append(ready.weight * (empty[0] or 0.0))
