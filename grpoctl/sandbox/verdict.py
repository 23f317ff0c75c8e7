"""Does code compile, and which of its tests does it pass?

Assert tests run in one process with the program, so they believe what it says of its own objects: a program whose
objects equal everything passes, and one that takes its Python apart by force (crafted bytecode, say) can forge the
secrets that tell of a pass. Examples are judged out here and their outputs are never shown to the program, so they are
for what has to hold against a program that cheats.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from grpoctl.sandbox.process import Clock, How, Job, run

# What a program may print. Most print a line.
MAX_OUTPUT = 1 << 16


@dataclass(frozen=True)
class Limits:
    """What one completion may cost, all of its tests together."""

    timeout_s: float
    memory_mib: int

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s <= 3600:
            raise ValueError(f"timeout_s is {self.timeout_s}; give seconds above 0, up to 3600.")
        if not 64 <= self.memory_mib <= 1 << 20:
            raise ValueError(f"memory_mib is {self.memory_mib}; give 64 or more, as Python itself takes 30.")


@dataclass(frozen=True)
class Example:
    """What a program reads, and what it has to print for it."""

    input: str
    output: str


def compiles(source: str, limits: Limits) -> bool:
    """Whether it is Python. It is not run."""
    return _steps_done("compile", source, [], limits, Clock(limits.timeout_s)) == 1


def share_passed(source: str, tests: Sequence[str] | Sequence[Example], limits: Limits, *, partial: bool) -> float:
    """The share of tests that pass; all or nothing if not partial."""
    examples = [test for test in tests if isinstance(test, Example)]
    if examples:
        passed = _examples_passed(source, examples, limits, partial)
    else:
        passed = _tests_passed(source, [test for test in tests if isinstance(test, str)], limits, partial)
    return passed / len(tests) if partial else float(passed == len(tests))


def _tests_passed(source: str, tests: Sequence[str], limits: Limits, partial: bool) -> int:
    """How many test texts pass, one after the other among the program's names.

    A failing one ends the process, and all that it and others did there, so the others run again in a new one.
    """
    clock, failed, most = Clock(limits.timeout_s), set[int](), 0
    while len(failed) < len(tests) and not clock.is_over:
        left = [number for number in range(len(tests)) if number not in failed]
        done = _steps_done("tests", source, [tests[number] for number in left], limits, clock)
        most = max(most, done - 1)  # the program is a step itself
        if done in (0, 1 + len(left)) or not partial:
            break
        failed.add(left[done - 1])
    return most


def _examples_passed(source: str, examples: Sequence[Example], limits: Limits, partial: bool) -> int:
    """For how many examples the program, run anew for each, prints what it should."""
    clock, passed = Clock(limits.timeout_s), 0
    for number, example in enumerate(examples):
        if clock.is_over or (passed < number and not partial):
            break
        passed += _prints(source, example, limits, clock)
    return passed


def _steps_done(how: How, source: str, tests: Sequence[str], limits: Limits, clock: Clock) -> int:
    tokens = [secrets.token_bytes(16) for _ in range(1 + len(tests))]
    said = run(Job(how, source, limits.memory_mib, 16 * len(tokens), tests, tokens), clock).said
    told = [said[start : start + 16] for start in range(0, len(said), 16)]
    return next((step for step, token in enumerate(tokens) if told[step : step + 1] != [token]), len(tokens))


def _prints(source: str, example: Example, limits: Limits, clock: Clock) -> bool:
    most = max(MAX_OUTPUT, 2 * len(example.output.encode(errors="replace")))
    stdin = example.input.encode(errors="replace")
    ended = run(Job("input", source, limits.memory_mib, most + 1, stdin=stdin), clock)
    said = ended.said.decode(errors="replace")
    return ended.well and _lines(said) == _lines(example.output)


def _lines(text: str) -> list[str]:
    """The lines without the space at their ends and the empty ones behind the last: no judge asks for those."""
    return [line.rstrip() for line in text.rstrip().split("\n")]
