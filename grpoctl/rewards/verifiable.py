"""Was the answer right, and did it come in its tags? The two rewards of the LLaMA-Factory document."""

from collections.abc import Sequence

from grpoctl.rewards.numbers import apart
from grpoctl.rewards.registry import Score, reward
from grpoctl.rewards.tags import all_last_tagged, has_pair


@reward(maximum=1.0)
def accuracy(completions: Sequence[str], answer: Sequence[str], *, answer_tag: str = "answer") -> list[Score]:
    """1 where the text of the last answer tag equals the gold answer, as text or as a number; else 0."""
    return [
        1.0 if said is not None and (said == gold or is_right(said, gold)) else 0.0
        for said, gold in zip(all_last_tagged(completions, answer_tag), answer, strict=True)
    ]


@reward(maximum=1.0)
def format(completions: Sequence[str], *, reasoning_tag: str = "think", answer_tag: str = "answer") -> list[Score]:
    """1 where both the reasoning tag and the answer tag are opened and closed; else 0."""
    return [
        1.0 if has_pair(completion, reasoning_tag) and has_pair(completion, answer_tag) else 0.0
        for completion in completions
    ]


def is_right(said: str, gold: str) -> bool:
    """Whether the text of an answer tag is the gold answer."""
    share = apart(said, gold)
    return share == 0.0 if share is not None else said.strip() == gold.strip()
