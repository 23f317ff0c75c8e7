"""Which answer does a completion give, whether it stands in the tag or not?"""

import re

from grpoctl.rewards.tags import last_tagged

# Answers stand at the end, and the bound keeps hostile completions cheap.
_READ_AT_MOST = 2000

_BOXED = re.compile(r"\\boxed ?\{([^{}]{0,200}(?:\{[^{}]{0,100}\}[^{}]{0,100}){0,3})\}")
_NUMBER = re.compile(r"[-−]?[0-9][0-9,]{0,30}(?:\.[0-9]{1,30})?", re.ASCII)


def answer_anywhere(completion: str, answer_tag: str) -> str | None:
    """What the answer tag holds, else the last `\\boxed{…}`, else the last number."""
    tagged = last_tagged(completion, answer_tag)
    if tagged is not None:
        return tagged
    end = completion[-_READ_AT_MOST:]
    boxed = _BOXED.findall(end)
    numbers = [] if boxed else _NUMBER.findall(end)
    found: str | None = (boxed or numbers or [None])[-1]
    return found.rstrip(",") if found is not None else None
