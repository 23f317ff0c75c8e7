"""What is an evaluation called, and what was asked in it?"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grpoctl.counted import counted
from grpoctl.errors import printable

NOTHING_ASKED = "-"


def modes_in_words(modes: Sequence[str]) -> dict[str, str]:
    """Each mode by what sets it apart, standard-k8 as `standard, 8 answers to each`; with its own sign where two would
    be called the same."""
    words = {mode: ", ".join(_words(mode)) for mode in modes}
    called = list(words.values())
    return {
        mode: printable(said if called.count(said) == 1 else f"{said} ({mode.rpartition('-')[2]})")
        for mode, said in words.items()
    }


def asked_in_words(report: Mapping[str, Any] | None) -> str:
    """Which problems, and how often each."""
    if report is None:
        return NOTHING_ASKED
    of = f" of {report['dataset']}" if "dataset" in report else ""
    each = f", {report['k']} answers to each" if report.get("k", 1) != 1 else ""
    return printable(f"{counted(report.get('n', '?'), 'problem')}{of}{each}")


def with_what_was_asked(words: str, asked: str) -> str:
    """Both together, without saying the same twice."""
    return ", ".join(dict.fromkeys([*words.split(", "), *asked.split(", ")]))


def _words(mode: str) -> Iterator[str]:
    plain, *parts = mode.split("-")
    yield plain
    for part in parts:
        name, number = re.fullmatch(r"([a-z]*)(.*)", part).groups()  # type: ignore[union-attr]
        if name == "k" and number.isdigit():
            yield f"{number} answers to each"
        elif name == "limit" and number.isdigit():
            yield f"the first {number}"
        elif name == "seed" and number.isdigit():
            yield f"seed {number}"
        elif part == "train":
            yield "what it was trained on"
        elif re.fullmatch("[0-9a-f]{6}", part):  # of the keys that the evaluation was given
            yield "with keys changed"
        else:
            yield part
