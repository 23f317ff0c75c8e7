"""How does a program ask? A JSON object a line on standard input, the answers piece by piece as JSON lines.

In:   {"question": "1 + 1?", "mode": "liberal", "seed": 3}      mode and seed where they are not those of the command
Out:  {"models": ["a before training", "a at step 3"]}          once they are loaded, in the order in which they answer
      {"model": "a at step 3", "text": "2"}                     as it comes
      {"model": "a at step 3", "done": true, "tokens": 2, "truncated": false}
      {"stopped": true}                                         behind what was said until SIGINT came
      {"error": "…"}                                            instead of an answer

A question is over with the last model's `done`, with `stopped` or with `error`; then the next line is read.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from grpoctl.asking import Interview
from grpoctl.conversation import Voice
from grpoctl.errors import Finding, GrpoctlError, InputError, nearest, shown
from grpoctl.evaluate import MODES

# As long as the question of one command may be, and what JSON makes of it.
_MAX_BYTES = 6 * 4 * 2**20
_KEYS = ("question", "mode", "seed")

Tell = Callable[[dict[str, Any]], None]


def tell(told: dict[str, Any]) -> None:
    """One line, at once. Everything but ASCII is written out, so that no encoding can lose any of it."""
    print(json.dumps(told), flush=True)


def answer_lines(interview: Interview, voices: Sequence[Voice], source: BinaryIO, tell: Tell = tell) -> None:
    """Answer until the end of the lines. KeyboardInterrupt where SIGINT comes twice before the next question."""
    tell({"models": [voice.label for voice in voices]})
    with interview.interrupt.taken():
        for line in _lines(source):
            interview.interrupt.forget()  # one that came behind the last answer was meant for that
            try:
                _answer(*_asked(line, interview), voices, tell)
            except GrpoctlError as error:
                tell({"error": str(error)})


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Each line; of one that is too long no more than shows it."""
    while line := source.readline(_MAX_BYTES + 1):
        rest = line
        while len(rest) > _MAX_BYTES and not rest.endswith(b"\n"):
            rest = source.readline(_MAX_BYTES + 1)
        if line.strip():
            yield line


def _asked(line: bytes, interview: Interview) -> tuple[Interview, str]:
    """The question, and how it is to be asked; InputError where the line says neither."""
    if len(line) > _MAX_BYTES:
        raise _wrong("", f"is longer than {_MAX_BYTES // 2**20} MiB", "ask a shorter question")
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise _wrong("", "is no JSON object", 'write {"question": "1 + 1?"}')
    for key in given:
        if key not in _KEYS:
            close = nearest(key, _KEYS)
            raise _wrong(key, "is no key", f"did you mean {close}?" if close else f"use {', '.join(_KEYS)}")
    question, mode, seed = given.get("question"), given.get("mode", interview.mode), given.get("seed", interview.seed)
    if not isinstance(question, str):
        raise _wrong("question", f"is {shown(question)}", "give a text")
    if mode not in MODES:
        raise _wrong("mode", f"is {shown(mode)}", f"use {', '.join(MODES[:-1])} or {MODES[-1]}")
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise _wrong("seed", f"is {shown(seed)}", "give a whole number from 0 to 4294967295")
    return interview.otherwise(mode, seed), question


def _wrong(key: str, problem: str, fix: str) -> InputError:
    return InputError(Finding(problem, fix, key=key, file="line"))


def _answer(interview: Interview, question: str, voices: Sequence[Voice], tell: Tell) -> None:
    prompt = interview.prompt(question)
    for voice in voices:
        label = voice.label

        def pass_on(text: str, label: str = label) -> None:
            tell({"model": label, "text": text})

        completion = interview.answer(voice.sampler, prompt, pass_on)
        if interview.interrupt.came():
            tell({"stopped": True})
            return
        tell({"model": label, "done": True, "tokens": completion.tokens, "truncated": completion.truncated})
