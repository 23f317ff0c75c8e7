"""Which verb is meant? Finds it, runs it, prints errors once, sets the exit code."""

import argparse
import importlib
import io
import json
import os
import pkgutil
import signal
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import NoReturn, Protocol, cast

from grpoctl import __version__, commands
from grpoctl.errors import Finding, GrpoctlError, InputError, nearest, printable

_FOR_EVERY_VERB = ("--json", "--debug")


class Verb(Protocol):
    """What a module in commands/ has; its docstring's first line is its help."""

    __doc__: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    # Found before parsing, so that an error in the arguments themselves keeps to the same form.
    as_json, debug = "--json" in words, "--debug" in words
    _prepare_output()
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `grpoctl … | head`: the reader has seen enough, and what is left must go somewhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if debug:
            raise
        failure = error if isinstance(error, GrpoctlError) else _unforeseen(error)
        _report(failure, as_json, marked=_warns(words))
        return failure.exit_code


def _prepare_output() -> None:
    """Make printing safe: streams may be closed, and file names may hold bytes that no encoding can print."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115, as it lives as long as the program
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _unforeseen(error: Exception) -> GrpoctlError:
    """An error that nothing expected, in one line: the system's where it said no, else a fault of grpoctl."""
    if isinstance(error, OSError) and error.strerror:
        return GrpoctlError(f"{error.filename or 'grpoctl'}: {error.strerror}")
    from grpoctl.memory_lack import lack_of  # which takes what few errors need

    lack = lack_of(error)
    if lack is not None:
        return GrpoctlError(f"{lack}; lower max_completion_length, or take a smaller model.")
    said = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
    return GrpoctlError(f"grpoctl: a fault of its own ({said}); run it again with --debug and report what it prints.")


def _run(words: list[str]) -> int:
    words = _verb_first(words)
    first = words[0] if words else "--help"
    if first in ("-h", "--help"):
        print(_help())
        return 0
    if first == "--version":
        first = "version"
    if first not in verb_names():
        raise InputError(_unknown_verb(first))
    verb = _verb(first)
    parser = _Parser(
        prog=f"grpoctl {first}",
        description=verb.__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
        allow_abbrev=False,
    )
    verb.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    # Intermixed, so that key=value overrides may stand before and after options.
    return verb.run(parser.parse_intermixed_args(words[1:]))


def _verb_first(words: list[str]) -> list[str]:
    """What every verb takes may stand in front of it, too."""
    ahead = list(takewhile(_FOR_EVERY_VERB.__contains__, words))
    verb, *others = words[len(ahead) :] or ["--help"]
    return [verb, *ahead, *others]


class _Parser(argparse.ArgumentParser):
    """argparse, with its errors in the form of all others."""

    def error(self, message: str) -> NoReturn:
        raise InputError(Finding(message, f"see {self.prog} --help", file=self.prog))


def verb_names() -> list[str]:
    """The verbs there are: the modules of commands/."""
    return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))


def _verb(name: str) -> Verb:
    return cast(Verb, importlib.import_module(f"grpoctl.commands.{name}"))


def _help() -> str:
    rows = [f"  {name:<10} {_verb(name).__doc__.partition(chr(10))[0]}" for name in verb_names()]
    return "\n".join(
        [
            f"grpoctl {__version__}: GRPO from one YAML recipe",
            "",
            "usage: grpoctl VERB … (each has --help)",
            "",
            *rows,
        ]
    )


def _unknown_verb(word: str) -> Finding:
    close = nearest(word, verb_names())
    return Finding(
        f"there is no verb {word[:40]}",
        f"did you mean {close}?" if close else f"this version has {', '.join(verb_names())}",
        file="grpoctl",
    )


def _warns(words: list[str]) -> bool:
    """Whether warnings may stand above what a verb says, so that its errors have to be known from them."""
    verb = _verb_first(words)[0]
    return verb in verb_names() and getattr(_verb(verb), "WARNS", False)


def _report(error: GrpoctlError, as_json: bool, *, marked: bool) -> None:
    from grpoctl.secret_values import without_secrets

    findings = error.findings if isinstance(error, InputError) else []
    lines = [without_secrets(line) for line in [str(finding) for finding in findings] or [printable(str(error))]]
    if as_json:
        document = {"ok": False, "error": str(error), "errors": [finding.as_json() for finding in findings]}
        try:
            print(without_secrets(json.dumps(document)), flush=True)
        except OSError:  # a full disk: the lines below still say what happened
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for line in lines:
        print(f"error: {line}" if marked else line, file=sys.stderr)
