"""Was the answer right, and did it come in its tags? The two rewards of the LLaMA-Factory document."""

from collections.abc import Sequence

from grpoctl.rewards.numbers import number_in, same_number
from grpoctl.rewards.registry import Score, reward
from grpoctl.rewards.tags import has_pair, last_tagged


@reward(maximum=1.0)
def accuracy(completions: Sequence[str], answer: Sequence[str], *, answer_tag: str = "answer") -> list[Score]:
    """1 where the text of the last answer tag equals the gold answer, as text or as a number; else 0."""
    return [
        1.0 if _is_right(last_tagged(completion, answer_tag), gold) else 0.0
        for completion, gold in zip(completions, answer, strict=True)
    ]


@reward(maximum=1.0)
def format(completions: Sequence[str], *, reasoning_tag: str = "think", answer_tag: str = "answer") -> list[Score]:
    """1 where both the reasoning tag and the answer tag are opened and closed; else 0."""
    return [
        1.0 if has_pair(completion, reasoning_tag) and has_pair(completion, answer_tag) else 0.0
        for completion in completions
    ]


def _is_right(said: str | None, gold: str) -> bool:
    if said is None:
        return False
    if said.strip() == gold.strip():
        return True
    number, wanted = number_in(said), number_in(gold)
    return number is not None and wanted is not None and same_number(number, wanted)
