"""How does a conversation go on, one question after the other?"""

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from grpoctl.asking import Interview, heading
from grpoctl.errors import InputError
from grpoctl.evaluate import Sampler

HELP = "a line is a question; /new starts over, /quit or Ctrl-D ends, Ctrl-C stops an answer"


@dataclass
class Voice:
    """A model that answers, and what it has answered so far."""

    label: str
    sampler: Sampler
    history: list[tuple[str, str]] = field(default_factory=list)


def converse(interview: Interview, voices: Sequence[Voice], read: Callable[[str], str] = input) -> None:
    """Answer line by line until the user ends it. KeyboardInterrupt where that was by a second Ctrl-C in a row."""
    with suppress(ImportError):
        import readline  # noqa: F401, as input() then edits lines and remembers them
    with interview.interrupt.taken():
        _converse(interview, voices, read)


def _converse(interview: Interview, voices: Sequence[Voice], read: Callable[[str], str]) -> None:
    turn, interrupted = 0, False
    while True:
        try:
            with interview.interrupt.raised():
                typed = read("> ")
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print()
            if interrupted:
                raise
            print("Ctrl-C again, Ctrl-D or /quit ends", flush=True)
            interrupted = True
            continue
        except UnicodeDecodeError:
            print("question: is not UTF-8 text; write it as such.", file=sys.stderr, flush=True)
            continue
        interrupted = False
        line = typed.strip()
        if line == "/quit":
            return
        if line == "/new":
            for voice in voices:
                voice.history.clear()
        elif re.fullmatch(r"/\w+", line) and not interview.raw:
            print(HELP, flush=True)
        elif line:
            interrupted = _ask(interview, voices, typed if interview.raw else line, turn)
            # Numbers of its own for each, or a question asked again would only ever get the same answer.
            turn += 1


def _ask(interview: Interview, voices: Sequence[Voice], question: str, turn: int) -> bool:
    """One question to each; whether the last answer was stopped."""
    stopped = False
    for voice in voices:
        if len(voices) > 1:
            print(heading(voice.label), flush=True)
        try:
            prompt = interview.prompt(question, voice.history)
        except InputError as error:
            print(error, file=sys.stderr, flush=True)
            continue
        completion = interview.show(voice.sampler, prompt, turn)
        stopped = interview.interrupt.forget()
        if interview.keeps_history:
            voice.history.append((question, completion.text))
    return stopped
