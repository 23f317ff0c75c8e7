"""A question and what each model has answered to it so far."""

import secrets
from dataclasses import dataclass, field
from typing import Any

_MOST_CHARACTERS = 200_000  # of an answer; no model says as much, and a broken one may not fill the server


@dataclass
class Spoken:
    """What one model has said."""

    text: str = ""
    done: bool = False
    tokens: int | None = None
    truncated: bool = False


@dataclass
class Exchange:
    """One question of one page, on its way through the child."""

    asker: str  # the page that asked
    question: str
    mode: str
    seed: int | None
    run: str
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    models: list[str] = field(default_factory=list)
    answers: dict[str, Spoken] = field(default_factory=dict)
    begun: bool = False
    over: bool = False
    stopped: bool = False
    error: str = ""

    def as_line(self) -> dict[str, Any]:
        """As the child reads it."""
        how = {"question": self.question, "mode": self.mode}
        return how if self.seed is None else {**how, "seed": self.seed}

    def hear(self, told: dict[str, Any]) -> None:
        """Take in one line of the child's."""
        if "error" in told:
            self.end(str(told["error"]))
        elif told.get("stopped"):
            self.stopped = True
            self.end()
        elif isinstance(model := told.get("model"), str):
            spoken = self.answers.setdefault(model, Spoken())
            if told.get("done"):
                spoken.done, spoken.truncated = True, told.get("truncated") is True
                spoken.tokens = told["tokens"] if isinstance(told.get("tokens"), int) else None
                if model == self.models[-1]:
                    self.end()
            elif len(spoken.text) < _MOST_CHARACTERS:
                spoken.text += str(told.get("text", ""))

    def end(self, error: str = "") -> None:
        self.error, self.over = error or self.error, True
