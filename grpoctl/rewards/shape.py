"""What does a completion look like, whatever it answers: its length, its repetitions, its language?

check tries none of them: the completions that it makes of gold answers have no reasoning worth the name.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grpoctl.rewards.registry import Score, reward

# More of a text says nothing new about it, and the bounds keep hostile ones cheap.
_READ_AT_MOST = 100_000
_LONGEST_RUN = 20


def _overlong_arguments(arguments: Mapping[str, Any]) -> tuple[str, str, str] | None:
    if not 0 < arguments.get("soft_zone", 0.2) <= 1:
        return "is not between 0 and 1", "give the share of the length that is punished, such as 0.2", "soft_zone"
    if arguments["max_completion_length"] < 1:
        return "is not above 0", "give a number of tokens", "max_completion_length"
    return None


@reward(maximum=0.0, tried_by_check=False, refuses=_overlong_arguments)
def soft_overlong_penalty(
    completions: Sequence[str], completion_tokens: Sequence[int], *, max_completion_length: int, soft_zone: float = 0.2
) -> list[Score]:
    """0 for a short completion, falling to -1 over the last fifth (soft_zone) of max_completion_length, as in DAPO."""
    zone = max_completion_length * soft_zone
    begins = max_completion_length - zone
    return [max(-1.0, min(0.0, (begins - tokens) / zone)) for tokens in completion_tokens]


def _length_arguments(arguments: Mapping[str, Any]) -> tuple[str, str, str] | None:
    if not 0 <= arguments.get("min_tokens", 0) <= arguments["max_tokens"]:
        return "is above max_tokens or below 0", "lower it", "min_tokens"
    return None if arguments["max_tokens"] > 0 else ("is not above 0", "give a number of tokens", "max_tokens")


@reward(maximum=1.0, tried_by_check=False, refuses=_length_arguments)
def length(
    completions: Sequence[str], completion_tokens: Sequence[int], *, max_tokens: int, min_tokens: int = 0
) -> list[Score]:
    """1 from min_tokens to max_tokens; less in proportion below, falling to 0 at twice max_tokens above."""
    return [
        tokens / min_tokens if tokens < min_tokens else max(0.0, min(1.0, 2.0 - tokens / max_tokens))
        for tokens in completion_tokens
    ]


def _repetition_arguments(arguments: Mapping[str, Any]) -> tuple[str, str, str] | None:
    if 1 <= arguments.get("ngram", 4) <= _LONGEST_RUN:
        return None
    return f"is not between 1 and {_LONGEST_RUN}", "give a number of words, such as 4", "ngram"


@reward(maximum=0.0, tried_by_check=False, refuses=_repetition_arguments)
def repetition_penalty(completions: Sequence[str], *, ngram: int = 4) -> list[Score]:
    """Minus the share of its runs of `ngram` words (or Chinese characters) that were there before; 0 to -1."""
    return [0.0 - _repeated_share(completion[:_READ_AT_MOST], ngram) for completion in completions]


# A Chinese character, kana or hangul syllable is a word; so is a run of other letters or figures.
_UNIT = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def _repeated_share(text: str, ngram: int) -> float:
    words = _UNIT.findall(text.lower())
    runs = len(words) - ngram + 1
    if runs < 1:
        return 0.0
    different = len({tuple(words[start : start + ngram]) for start in range(runs)})
    return 1.0 - different / runs


# --- language

_LETTERS = {
    "latin": r"A-Za-z\u00c0-\u024f\u1e00-\u1eff",
    "han": r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff",
    "kana": r"\u3040-\u30ff",
    "hangul": r"\u1100-\u11ff\uac00-\ud7af",
    "cyrillic": r"\u0400-\u052f",
    "greek": r"\u0370-\u03ff",
    "arabic": r"\u0600-\u06ff\u0750-\u077f",
    "hebrew": r"\u0590-\u05ff",
    "devanagari": r"\u0900-\u097f",
    "thai": r"\u0e00-\u0e7f",
}
_BY_SCRIPT = {script: re.compile(f"[{letters}]") for script, letters in _LETTERS.items()}
_SCRIPTS = {
    **dict.fromkeys(("en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "tr", "vi", "id"), ("latin",)),
    "zh": ("han",), "ja": ("han", "kana"), "ko": ("hangul",), "ru": ("cyrillic",), "uk": ("cyrillic",),
    "el": ("greek",), "ar": ("arabic",), "fa": ("arabic",), "he": ("hebrew",), "hi": ("devanagari",), "th": ("thai",),
}  # fmt: skip

# Tags, LaTeX commands, code and formulas are written in Latin letters in every language.
_NO_LANGUAGE = re.compile(r"```[^`]*```|</?[A-Za-z][\w-]{0,30}>|\\[A-Za-z]+|\$[^$\n]{0,200}\$|\b[A-Za-z]\b")


def _language_arguments(arguments: Mapping[str, Any]) -> tuple[str, str, str] | None:
    language = arguments.get("language", "question")
    if language in _SCRIPTS or language == "question":
        return None
    return f"is {language}", f"use question, or one of {', '.join(_SCRIPTS)}", "language"


@reward(maximum=1.0, tried_by_check=False, refuses=_language_arguments)
def language_consistency(
    completions: Sequence[str], question: Sequence[str], *, language: str = "question"
) -> list[Score]:
    """Share of the letters in the script of `language` (zh, en, ja …), by default in that of the question."""
    return [
        _share_in(completion[:_READ_AT_MOST], _SCRIPTS.get(language) or _main_script(asked[:_READ_AT_MOST]))
        for completion, asked in zip(completions, question, strict=True)
    ]


def _share_in(text: str, scripts: Iterable[str]) -> float | None:
    counts = _letters(text)
    total = sum(counts.values())
    return sum(counts[script] for script in scripts) / total if total and scripts else None


def _main_script(text: str) -> tuple[str, ...]:
    """Han beside kana is Japanese."""
    counts = _letters(text)
    if not counts:
        return ()
    if counts["kana"]:
        return ("han", "kana")
    return (counts.most_common(1)[0][0],)


def _letters(text: str) -> Counter[str]:
    """How many letters of each script."""
    text = _NO_LANGUAGE.sub(" ", text)
    counts = Counter({script: len(letters.findall(text)) for script, letters in _BY_SCRIPT.items()})
    return +counts
