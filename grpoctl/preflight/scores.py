"""Do the rewards exist, and does a gold answer earn what they can give?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from grpoctl.data.problems import columns_of
from grpoctl.data.rows import Row
from grpoctl.preflight.result import Preflight, Teller
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.yaml_text import KeyPath
from grpoctl.rewards.registry import GIVEN_COLUMNS, INSTEAD_OF, BadReward, ReadyReward, ready_reward
from grpoctl.rewards.results import BrokenReward
from grpoctl.rewards.scoring import scores_within

# Gold answers are tried on so many rows: enough to see what kind they are, and to see whether a slow reward works.
GOLD_ROWS = 200
_GOLD_ROWS_IF_SLOW = 8

# Longer ones are worked solutions, which no model repeats word for word.
LONG_ANSWER = 80


def check_rewards(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    for number, use in enumerate(recipe.reward_funcs):
        try:
            result.rewards.append(ready_reward(use, recipe))
        except BadReward as error:
            beside: KeyPath = ("reward_funcs", number, *error.path[1:])  # an argument may stand beside `use` itself
            is_beside = error.path[:1] == ("args",) and beside in tell.reading.source.lines
            tell.error(beside if is_beside else ("reward_funcs", number, *error.path), error.problem, error.fix)


def gold_completion(recipe: Recipe, row: Row, reasoning: str, own_tags: Mapping[str, Any] | None = None) -> str:
    """What a perfect model would write, in the recipe's tags or in those that a reward has of its own."""
    tags = {"reasoning_tag": recipe.reasoning_tag, "answer_tag": recipe.answer_tag, **(own_tags or {})}
    think, answer = tags["reasoning_tag"], tags["answer_tag"]
    return f"<{think}>{reasoning}</{think}>\n<{answer}>{row.answer}</{answer}>"


def score_gold_answers(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    """A completion with the gold answer must earn each reward's maximum, or the reward and the data do not fit."""
    rows = (result.rows or [])[:GOLD_ROWS]
    for number, ready in enumerate(result.rewards):
        lacking = ready.lacking(dict.fromkeys([*columns_of(rows), *GIVEN_COLUMNS]))
        if lacking:
            problem = f"uses {ready.reward.name}, which reads {lacking[0]}, a column that the data lacks"
            held = ", ".join(list(rows[0].columns)[:12])
            instead = f"take {INSTEAD_OF[lacking[0]]}" if lacking[0] in INSTEAD_OF else f"read one of {held}"
            tell.error(("reward_funcs", number), problem, f"add the column, or {instead}")
            continue
        _tell_of_gaps(number, ready, result.rows or [], tell)
        if ready.reward.tried_by_check:
            _try(number, ready, rows[:_GOLD_ROWS_IF_SLOW] if ready.reward.slow else rows, recipe, result, tell)
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


def _tell_of_gaps(number: int, ready: ReadyReward, rows: list[Row], tell: Teller) -> None:
    """Of several data sets one may lack a column that a reward reads of another."""
    for column in ready.reward.columns:
        without = sum(column not in row.columns for row in rows) if column not in GIVEN_COLUMNS else 0
        if without:
            said = f"uses {ready.reward.name}, which reads {column}, a column that {without} of {len(rows)} rows lack"
            tell.warn(("reward_funcs", number), said, "it gets None there; add the column, or see that it takes that")


def _try(number: int, ready: ReadyReward, rows: list[Row], recipe: Recipe, result: Preflight, tell: Teller) -> None:
    """What the gold answer, none and another row's earn from one reward."""
    reasoning = "\nas the data set says\n"
    right = [gold_completion(recipe, row, reasoning, ready.arguments) for row in rows]
    # A verifier that cannot read a gold answer may still find it equal to itself.
    wrong = [gold_completion(recipe, row, reasoning, ready.arguments) for row in _with_other_answers(rows)]
    tried = {"a gold answer": right, "an empty completion": [""] * len(rows), "another row's answer": wrong}
    given = []
    for what, completions in tried.items():
        tokens = result.tokenizer.lengths(completions) if result.tokenizer is not None else [1] * len(rows)
        columns = columns_of(rows, result.prompts[: len(rows)] or [row.question for row in rows], tokens)
        try:
            scores, faults = scores_within(ready, completions, columns, recipe.reward_timeout_s)
        except BrokenReward as error:
            tell.error(("reward_funcs", number), f"uses {ready.reward.name}, which {error.problem}", error.fix)
            return
        if faults:
            problem = f"uses {ready.reward.name}, which fails on {what} ({next(iter(faults.values())).said})"
            if completions is wrong and len(faults) <= recipe.max_reward_failures * len(rows):
                # A run goes on without these rows.
                some = f"{problem}, as on {len(faults)} of {len(rows)} tried"
                tell.warn(("reward_funcs", number), some, "take these rows out, or use another reward")
            else:
                tell.error(("reward_funcs", number), problem, "mend it or take it out")
                return
        given.append([score or 0.0 for score in scores])
    _tell_of_low_scores(number, ready, given[0], rows, tell)
    result.gold_scores.append(ready.weight * given[0][0])
    result.empty_scores.append(ready.weight * given[1][0])


def _with_other_answers(rows: list[Row]) -> list[Row]:
    """Each row with the next answer that is another one, which is wrong but of the same kind."""
    others = []
    for place, row in enumerate(rows):
        behind = (other.answer for other in (*rows[place:], *rows[:place]) if other.answer != row.answer)
        others.append(replace(row, answer=next(behind, "0" if row.answer != "0" else "1")))
    return others


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
