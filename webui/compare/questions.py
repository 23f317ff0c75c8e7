"""What of a prompt is the question? What stands around all of them alike is the chat template."""

from collections.abc import Sequence
from itertools import takewhile


def around(prompts: Sequence[str]) -> tuple[str, str]:
    """What all prompts begin with, up to the end of a line, and what they end with, from a template's mark on."""
    if len(set(prompts)) < 2:
        return "", ""
    before, behind = _shared(prompts), _shared([prompt[::-1] for prompt in prompts])[::-1]
    mark = min((at for at in map(behind.find, ("<", " [/")) if at >= 0), default=len(behind))
    return before[: before.rfind("\n") + 1], behind[mark:]


def _shared(texts: Sequence[str]) -> str:
    """What they all begin with: what the first and the last of them in order do."""
    first, last = min(texts), max(texts)
    return first[: sum(1 for _ in takewhile(lambda two: two[0] == two[1], zip(first, last, strict=False)))]


def question_of(prompt: str, around: tuple[str, str]) -> str:
    """The prompt without that, or as it is where nothing would be left."""
    before, behind = around
    return prompt.removeprefix(before).removesuffix(behind).strip() or prompt
