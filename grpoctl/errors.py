"""What went wrong, where, and what to do: the findings and exceptions that a person reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with what the user gave: its place, the problem, and the remedy.

    `problem` goes on from the key ("is 0"), `fix` says what to do ("use 1 or more").
    """

    problem: str
    fix: str
    key: str = ""
    file: str = ""
    line: int | None = None
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        said = f"{self.problem}; {self.fix}" + ("" if self.fix.endswith("?") else ".")
        return printable(": ".join(part for part in (place, self.key, said) if part))

    def as_json(self) -> dict[str, object]:
        return {
            "file": self.file,
            "line": self.line,
            "key": self.key,
            "problem": self.problem,
            "fix": self.fix,
        }


class WithFindings:
    """What has findings, by what they mean: errors have to be mended, warnings are worth knowing."""

    findings: list[Finding]

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "error"]

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "warning"]


class GrpoctlError(Exception):
    """The work failed; the message is for people and needs no traceback."""

    exit_code = 1


class InputError(GrpoctlError, ValueError):
    """What the user gave is wrong: a recipe, an argument, data. Carries every finding, not the first alone."""

    exit_code = 2

    def __init__(self, findings: Finding | Sequence[Finding]) -> None:
        self.findings = [findings] if isinstance(findings, Finding) else list(findings)
        super().__init__("\n".join(map(str, self.findings)))


class RecipeError(InputError):
    """The recipe cannot be trained as it stands."""


class DataError(InputError):
    """A data set, or a file of one, cannot be read as it stands."""


class ModelError(InputError):
    """A model folder cannot be read as it stands."""


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that the word most likely meant, or None."""
    from difflib import get_close_matches

    names = {choice.lower(): choice for choice in choices}
    if len(word) > 80:  # matching is quadratic, and nobody misspells by that much
        return None
    close = get_close_matches(word.lower().replace("-", "_"), names, n=1, cutoff=0.7)
    return names[close[0]] if close else None


def shown(value: object) -> str:
    """A value as an error message quotes it: on one line, printable, short."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if not isinstance(value, str):
        return str(value)
    if value.isidentifier() and len(value) <= 60 and value.lower() not in ("true", "false", "null", "nan", "inf"):
        return value
    cut = value if len(value) <= 60 else value[:57] + "..."
    return f'the text "{printable(cut)}"'


def printable(text: str) -> str:
    """Text on one line, with what a terminal would obey (new lines, escapes) written out."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
