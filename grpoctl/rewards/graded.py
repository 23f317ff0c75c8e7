"""How near did the answer come? The four rewards of the TPU document, which pay for part of the way."""

from collections.abc import Sequence

from grpoctl.rewards.numbers import apart, distance, read_number
from grpoctl.rewards.prose import first_number
from grpoctl.rewards.registry import Score, reward
from grpoctl.rewards.tags import all_last_tagged


@reward(maximum=3.0)
def match_format_exactly(
    completions: Sequence[str], *, reasoning_tag: str = "reasoning", answer_tag: str = "answer"
) -> list[Score]:
    """3 where the whole completion is a reasoning in its tags and then an answer in its own, neither empty; else 0."""
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
    return [
        3.0 if said == gold else _graded(said, gold)
        for said, gold in zip(all_last_tagged(completions, answer_tag), answer, strict=True)
    ]


@reward(maximum=1.5)
def check_numbers(completions: Sequence[str], answer: Sequence[str], *, answer_tag: str = "answer") -> list[Score]:
    """1.5 where the answer is right, or the first number behind the opening answer tag is; else 0."""
    return [
        1.5 if _first_is_right(completion, gold, answer_tag) else 0.0
        for completion, gold in zip(completions, answer, strict=True)
    ]


def _is_exact(text: str, reasoning_tag: str, answer_tag: str) -> bool:
    tags = [f"<{reasoning_tag}>", f"</{reasoning_tag}>", f"<{answer_tag}>", f"</{answer_tag}>"]
    if any(text.count(tag) != 1 for tag in tags):
        return False
    before, _, rest = text.partition(tags[0])
    reasoning, _, rest = rest.partition(tags[1])
    between, _, rest = rest.partition(tags[2])
    answer, _, behind = rest.partition(tags[3])
    return bool(reasoning.strip() and answer.strip()) and not (before or between.strip() or behind)


def _graded(said: str | None, gold: str) -> float:
    if said is None:
        return -1.0
    share = apart(said, gold)
    if share is None:
        return 3.0 if said.strip() == gold.strip() else -1.0
    if share == 0.0:
        return 3.0
    return 0.5 if share <= 0.1 + 1e-9 else 0.25 if share <= 0.2 + 1e-9 else -1.0


def _first_is_right(completion: str, gold: str, answer_tag: str) -> bool:
    _, opened, behind = completion.rpartition(f"<{answer_tag}>")
    if not opened:
        return False
    text = behind.partition(f"</{answer_tag}>")[0]
    if apart(text, gold) == 0.0:
        return True
    wanted = read_number(gold)
    said = None if wanted is None else first_number(text)
    return wanted is not None and said is not None and distance(said, wanted) == 0.0
