"""How near did the answer come? The four rewards of the TPU document, which pay for part of the way."""

import re
from collections.abc import Sequence

from grpoctl.rewards.numbers import apart
from grpoctl.rewards.registry import Score, reward
from grpoctl.rewards.tags import all_last_tagged


@reward(maximum=3.0)
def match_format_exactly(
    completions: Sequence[str], *, reasoning_tag: str = "reasoning", answer_tag: str = "answer"
) -> list[Score]:
    """3 where the whole completion is the reasoning in its tags and then the answer in its own; else 0."""
    return [3.0 if _is_exact(completion.strip(), reasoning_tag, answer_tag) else 0.0 for completion in completions]


@reward(maximum=2.0)
def match_format_approximately(
    completions: Sequence[str], *, reasoning_tag: str = "reasoning", answer_tag: str = "answer"
) -> list[Score]:
    """0.5 for each of the four tags that stands exactly once, -0.5 for each that does not."""
    tags = [f"<{reasoning_tag}>", f"</{reasoning_tag}>", f"<{answer_tag}>", f"</{answer_tag}>"]
    return [sum(0.5 if completion.count(tag) == 1 else -0.5 for tag in tags) for completion in completions]


@reward(maximum=3.0)
def check_answer(completions: Sequence[str], answer: Sequence[str], *, answer_tag: str = "answer") -> list[Score]:
    """3 for the right answer in its tag, 0.5 within 10% of it, 0.25 within 20%, else -1."""
    return [_graded(said, gold) for said, gold in zip(all_last_tagged(completions, answer_tag), answer, strict=True)]


@reward(maximum=1.5)
def check_numbers(completions: Sequence[str], answer: Sequence[str], *, answer_tag: str = "answer") -> list[Score]:
    """1.5 where the first number behind the opening answer tag is the right one, however it is wrapped; else 0."""
    return [
        1.5 if _first_is_right(completion, gold, answer_tag) else 0.0
        for completion, gold in zip(completions, answer, strict=True)
    ]


def _is_exact(text: str, reasoning_tag: str, answer_tag: str) -> bool:
    tags = [f"<{reasoning_tag}>", f"</{reasoning_tag}>", f"<{answer_tag}>", f"</{answer_tag}>"]
    if any(text.count(tag) != 1 for tag in tags):
        return False
    places = [text.index(tag) for tag in tags]
    return text.startswith(tags[0]) and text.endswith(tags[3]) and places == sorted(places)


def _graded(said: str | None, gold: str) -> float:
    if said is None:
        return -1.0
    if said == gold or (share := apart(said, gold)) == 0.0 or said.strip() == gold.strip():
        return 3.0
    if share is None:
        return -1.0
    return 0.5 if share <= 0.1 else 0.25 if share <= 0.2 else -1.0


# Bounded, so that a completion of a million digits costs no more than one of twenty.
_FIRST_NUMBER = re.compile(r"-?[0-9][0-9,]{0,30}(?:\.[0-9]{1,30})?", re.ASCII)


def _first_is_right(completion: str, gold: str, answer_tag: str) -> bool:
    opening = completion.rfind(f"<{answer_tag}>")
    match = _FIRST_NUMBER.search(completion, opening) if opening >= 0 else None
    return match is not None and apart(match.group().rstrip(","), gold) == 0.0
