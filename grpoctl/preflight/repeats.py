"""Does a question come twice: in the data that is trained on, or there and in the evaluation?"""

from collections.abc import Sequence

from grpoctl.data.rows import Row
from grpoctl.errors import shown
from grpoctl.preflight.result import Preflight, Teller
from grpoctl.recipe.schema import Recipe

_Asked = tuple[object, ...]


def tell_of_repeats(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    rows = result.rows or []
    if recipe.mix_strategy != "interleave_over" or len(recipe.dataset) < 2:  # which repeats rows of its own accord
        _tell_of_repeated_questions(rows, tell)
    trained = {_asked(row) for row in rows}
    both = [row for row in result.eval_rows or [] if _asked(row) in trained]
    if both:
        tell.warn(
            "eval_dataset",
            f"has {len(both)} of {len(result.eval_rows or [])} questions that are trained on as well "
            f"(the first: {shown(both[0].question)})",
            "take them out of one of the two",
        )


def _tell_of_repeated_questions(rows: Sequence[Row], tell: Teller) -> None:
    answers: dict[_Asked, set[str]] = {}
    repeated: list[Row] = []
    for row in rows:
        known = answers.setdefault(_asked(row), set())
        if known:
            repeated.append(row)
        known.add(row.answer)
    if not repeated:
        return
    torn = sum(len(known) > 1 for known in answers.values())
    otherwise = f", {torn} of them with different gold answers" if torn else ""
    tell.warn(
        "dataset",
        f"asks the same question again in {len(repeated)} of {len(rows)} rows{otherwise} "
        f"(the first: {shown(repeated[0].question)})",
        "take them out, unless they are meant to count more",
    )


def _asked(row: Row) -> _Asked:
    return row.question, row.system, row.history
