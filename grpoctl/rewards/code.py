"""Does the program that a completion wrote work? It is run against the row's tests, in a process of its own.

A row's `tests` is a text of Python (assert lines, say), a list of such texts, or a list of {"input": …, "output": …}
for programs that read and print. Only the standard library can be imported. grpoctl/sandbox/ says what a program can
do there, and verdict.py in it which tests hold against one that cheats.
"""

import ast
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from textwrap import dedent
from typing import Any

from grpoctl.errors import shown
from grpoctl.rewards.registry import Score, reward
from grpoctl.rewards.tags import last_tagged
from grpoctl.sandbox import verdict
from grpoctl.sandbox.verdict import Example, Limits

# Characters of code; a longer text is no answer to anything, and compiling it is what takes memory.
MAX_CODE = 100_000

# As many programs run at a time, each with its own memory limit.
MAX_WORKERS = 8

Tests = list[str] | list[Example] | None


@reward(maximum=1.0, slow=True)
def code(
    completions: Sequence[str],
    tests: Sequence[Any],
    *,
    partial: bool = False,
    timeout_s: float = 0.9,
    memory_mib: int = 180,
    answer_tag: str = "answer",
) -> list[Score]:
    """1 where the last Python code block passes all tests of the row, else 0 (`partial`: the share that it passes)."""
    limits = Limits(timeout_s, memory_mib)

    def earned(completion: str, wanted: Tests) -> Score:
        source = code_in(completion, answer_tag) if wanted else None
        if source is None:
            return 0.0 if wanted else None
        return verdict.share_passed(source, wanted or [], limits, partial=partial)

    # A row's tests are read before anything runs, so that a data set that is wrong is told at once.
    wanted = [read_tests(value) for value in tests]
    return _at_once(earned, completions, wanted)


@reward(maximum=1.0, slow=True)
def compiles(
    completions: Sequence[str], *, timeout_s: float = 0.9, memory_mib: int = 180, answer_tag: str = "answer"
) -> list[Score]:
    """1 where the last Python code block compiles, without running it; else 0. `18` alone is no program."""
    limits = Limits(timeout_s, memory_mib)

    def earned(completion: str) -> Score:
        source = code_in(completion, answer_tag)
        return 1.0 if source is not None and not _is_inert(source) and verdict.compiles(source, limits) else 0.0

    return _at_once(earned, completions)


def _at_once(earned: Callable[..., Score], *batches: Sequence[Any]) -> list[Score]:
    rows = list(zip(*batches, strict=True))
    with ThreadPoolExecutor(min(MAX_WORKERS, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda row: earned(*row), rows))


# --- the code of a completion

# A line of three or more backticks, with the language behind those that open a block. Possessive, so that a line of a
# million backticks is read once.
_FENCE = re.compile(r"^[ \t]{0,16}(`{3,}+)([^`\n]*)$", re.MULTILINE)

# No answer has more, and each costs a microsecond.
_MAX_FENCES = 10_000

_PYTHON = ("python", "py", "python3")


def code_in(completion: str, answer_tag: str = "answer") -> str | None:
    """The last closed code block of the answer tag or else of all; without one, what the tag holds."""
    tagged = last_tagged(completion, answer_tag)
    found = _last_block(completion if tagged is None else tagged)
    source = tagged if found is None else found
    if source is None or len(source := source.strip("\r\n")) > MAX_CODE:
        return None
    # A block below a list item is indented as a whole.
    return dedent(source).strip() if source[:1] in (" ", "\t") else source


def _last_block(text: str) -> str | None:
    """The last block that says it is Python, or else the last that says nothing: that may be what a program prints."""
    if not 0 < text.count("```") <= _MAX_FENCES:
        return None
    python = bare = opening = None
    for fence in _FENCE.finditer(text):
        if opening is None:
            opening = fence
        elif not fence[2].strip() and len(fence[1]) >= len(opening[1]):
            language = opening[2].strip().lower()
            if language in _PYTHON:
                python = (opening.end(), fence.start())
            elif not language:
                bare = (opening.end(), fence.start())
            opening = None
    block = python or bare
    return text[slice(*block)] if block else None


# --- the tests of a row


def read_tests(value: Any) -> Tests:
    """The tests, None where the row has none; ValueError where they are none that could be run."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise ValueError(f"tests is {_said(value)}; give assert lines, a list of them, or a list of {{input, output}}.")
    if all(isinstance(test, str) for test in given):
        for number, test in enumerate(given, 1):
            if fault := _fault(test):
                raise ValueError(f"tests: number {number} ({shown(test)}) {fault}.")
        return list(given) or None
    if all(isinstance(test, dict) for test in given):
        return [_example(test, number) for number, test in enumerate(given, 1)]
    odd = next(test for test in given if not isinstance(test, type(given[0])) or not isinstance(test, str | dict))
    raise ValueError(f"tests: has {_said(odd)} in its list; give texts alone or {{input, output}} alone.")


def _said(value: object) -> str:
    return f"{shown(value)} ({type(value).__name__})"[:80]


def _example(test: dict[Any, Any], number: int) -> Example:
    read, printed = test.get("input"), test.get("output")
    if not isinstance(printed, str):
        raise ValueError(f"tests: the output of number {number} is {_said(printed)}; give the text to be printed.")
    if not isinstance(read, str | None):
        raise ValueError(f"tests: the input of number {number} is {_said(read)}; give the text to be read.")
    return Example(read or "", printed)


@lru_cache(maxsize=4096)
def _fault(test: str) -> str | None:
    """What is wrong with a test that could not fail a wrong program, or not pass a right one."""
    try:
        tree = ast.parse(test)
        compile(tree, "<test>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        why = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        return f"is no Python ({why}); mend it"
    if all(isinstance(line, ast.Pass) or (isinstance(line, ast.Expr) and _is_value(line.value)) for line in tree.body):
        return "tests nothing; write assert lines"
    return None


# A longer text is no answer in place of a program, and the bound keeps hostile ones cheap.
_MAX_INERT = 1000


def _is_inert(source: str) -> bool:
    """Whether it does nothing at all, as an answer that is a number or a word."""
    if len(source) > _MAX_INERT:
        return False
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False  # the sandbox has to say so
    calls = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
    return not any(isinstance(part, calls) for line in body for part in ast.walk(line)) and all(
        isinstance(line, ast.Expr) for line in body
    )


def _is_value(expression: ast.expr) -> bool:
    return isinstance(expression, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set)
