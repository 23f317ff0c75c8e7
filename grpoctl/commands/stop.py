"""End a run that goes on: it saves a checkpoint first.

  grpoctl stop latest
  grpoctl stop NAME --now      at once, without saving

Exit code 0 once its process is gone, 1 where it is not gone in time, 2 where the run does not go on."""

import argparse
import json
import os
import signal
import sys
import time
from contextlib import suppress
from shlex import quote
from typing import TYPE_CHECKING

from grpoctl.errors import Finding, GrpoctlError, InputError

if TYPE_CHECKING:
    from grpoctl.run.view import RunView

_POLL_S = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run's name or folder, or latest")
    parser.add_argument("--now", action="store_true", help="kill it, without saving")
    parser.add_argument(
        "--timeout", type=float, default=60, metavar="S", help="seconds to wait until it is gone (%(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    # What reads a run takes 0.05 s, which --help need not wait for.
    from grpoctl.run.directory import find_run
    from grpoctl.run.view import view_run

    run = find_run(args.run)
    view = view_run(run)
    if view.status not in ("queued", "running"):
        raise InputError(Finding(f"is {view.status}", "there is nothing to stop", file=run.name))
    _end(view, args.now, args.timeout)
    view = view_run(run)
    print(json.dumps({"run": view.name, "status": view.status}) if args.json else _in_words(view, args.now))
    return 0


def _end(view: "RunView", now: bool, timeout_s: float) -> None:
    """Send the signal and wait until the process is gone."""
    from grpoctl.run.process import descendants, is_running

    pid, started = int(view.manifest["process_id"]), view.manifest.get("process_started")
    if not is_running(pid, started):  # gone since it was looked at, and the number may be another's
        return
    # Asked to stop, a run of several processes tells the others itself; killed, it cannot.
    others = descendants(pid) if now else []
    try:
        os.kill(pid, signal.SIGKILL if now else signal.SIGTERM)
        for other in others:
            with suppress(ProcessLookupError):
                os.kill(other, signal.SIGKILL)
    except ProcessLookupError:
        return
    except PermissionError:
        raise GrpoctlError(f"{view.name}: is process {pid} of another user, who alone can stop it.") from None
    if not now:
        print(f"{view.name}: asked process {pid} to save and end; waiting {timeout_s:g} s at most", file=sys.stderr)
    latest = time.monotonic() + timeout_s
    while is_running(pid, started):
        if time.monotonic() >= latest:
            remedy = "see whether its device hangs" if now else f"grpoctl stop {quote(view.name)} --now does not wait"
            raise GrpoctlError(f"{view.name}: process {pid} still runs after {timeout_s:g} s; {remedy}.")
        time.sleep(_POLL_S)


def _in_words(view: "RunView", now: bool) -> str:
    said = f"{view.name}: {'killed' if now else view.status} at step {view.step}"
    if view.status == "finished":  # it came to its end by itself
        return said
    resume = f"grpoctl train --resume {quote(view.name)}"
    if view.checkpoint is None:
        return f"{said}, with no checkpoint; start it again: {resume}"
    return f"{said}, with checkpoint-{view.checkpoint}; go on: {resume}"
