"""Print a run's log.

  grpoctl logs                 the latest run
  grpoctl logs NAME -f         goes on until the run has ended, or Ctrl-C

NAME is what grpoctl runs prints, or a folder."""

import argparse
import codecs
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grpoctl.run.directory import RunDirectory

_POLL_S = 0.5
_PIECE_BYTES = 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", default="latest", metavar="RUN", help="a run's name or folder (latest)")
    parser.add_argument("-f", "--follow", action="store_true", help="print what is written until the run has ended")


def run(args: argparse.Namespace) -> int:
    # What reads a run takes 0.05 s, which --help need not wait for.
    from grpoctl.run.directory import find_run

    run = find_run(args.run)
    pieces = _follow(run) if args.follow else _read(_Log(run.log))
    if args.json:
        text = "".join(pieces)
        # Not splitlines, which would also split at what a model wrote: form feeds, Unicode's own line ends.
        lines = text.removesuffix("\n").split("\n") if text else []
        print(json.dumps({"run": run.name, "lines": lines}))
        return 0
    for piece in pieces:
        print(piece, end="", flush=True)
    if not run.log.exists():
        print(f"{run.log}: is not there; the run has logged nothing.", file=sys.stderr)
    return 0


def _read(log: "_Log") -> Iterator[str]:
    while piece := log.news():
        yield piece


def _follow(run: "RunDirectory") -> Iterator[str]:
    from grpoctl.run.view import view_run

    log = _Log(run.log)
    while True:
        yield from _read(log)
        if view_run(run).status not in ("queued", "running"):
            yield from _read(log)  # what came between the last look and the end
            return
        time.sleep(_POLL_S)


class _Log:
    """A log that another process may still write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        # A piece may end within a character.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def news(self) -> str:
        """What was written since last time, at most a piece of it."""
        try:
            with self._path.open("rb") as stream:
                if stream.seek(0, 2) < self._offset:  # written anew
                    self._offset = 0
                stream.seek(self._offset)
                data = stream.read(_PIECE_BYTES)
        except FileNotFoundError:
            return ""
        self._offset += len(data)
        return self._decoder.decode(data)
