"""How do the evaluations stand that were started from this page?"""

import json
import signal
from dataclasses import dataclass
from pathlib import Path

from webui import processes
from webui.html import Markup, h
from webui.page import Page
from webui.places import run_named
from webui.processes import Started

_SHOWN = 5
_HEAD_BYTES = 1 << 20
_STOPPED = {128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM}
_STEPS = {"greedy", "standard", "liberal"}


@dataclass(frozen=True)
class Progress:
    """The evaluation that a command is at: how many answers it has of how many."""

    mode: str
    is_base: bool
    answers: int
    wanted: int


def all_evals() -> list[Started]:
    """Those that are not cleared away, the newest first."""
    return [each for each in processes.all_started() if each.words[:1] == ["eval"]]


def view(page: Page) -> Markup | None:
    found = all_evals()
    shown = [each for place, each in enumerate(found) if place < _SHOWN or each.is_running]
    return h("div", *[_one(page, each) for each in shown], class_="stack", id="evals") if shown else None


def _one(page: Page, each: Started) -> Markup:
    say, status = page.say, status_of(each)
    stop = h("button", say("Stop"), type="button", class_="danger", data_act="eval-stop",
             data_args={"eval": each.folder.name})  # fmt: skip
    words = {
        "running": say("running"), "finished": say("finished"), "failed": say("failed"), "stopped": say("stopped"),
        "dead": say("ended"),
    }  # fmt: skip
    said = each.said.strip()
    all_of_it = h("details", h("summary", say("what it says")), h("pre", said), id=f"said-{each.folder.name}")
    return h(
        "div",
        h("div", h("span", words[status], class_=f"pill {status}"), h("code", each.command),
          stop if status == "running" else None, class_="wrap"),
        _bar(page, each) if status == "running" else None,
        h("p", _why(page, each, said), class_="note bad") if status == "failed" else None,
        all_of_it if said else None,
        class_="card eval",
        id=f"eval-{each.folder.name}",
    )  # fmt: skip


def status_of(each: Started) -> str:
    if each.is_running:
        return "running"
    code = each.exit_code
    if code is None:  # the server that would know it has gone
        return "dead"
    return "finished" if code == 0 else "stopped" if code in _STOPPED else "failed"


def _why(page: Page, each: Started, said: str) -> str:
    """What it said last, or what ended it before it could."""
    name = each.killed_by
    if name is None:
        return _last_line(said)
    return page.say("It was ended by {name}, and said nothing of it: killed, or out of memory.", name=name)


def _last_line(said: str) -> str:
    return next((line for line in reversed(said.splitlines()) if line.strip()), "–")


def _bar(page: Page, each: Started) -> Markup:
    say = page.say
    done, count = parts_of(each)
    at = progress_of(each)
    if at is None:
        return h("p", say("Loading the model …"), class_="quiet", role="status")
    which = say("before training") if at.is_base else say("after training")
    said = say(
        "{mode}, {which}: {n} of {all} answers", mode=at.mode, which=which, n=at.answers, all=at.wanted
    ) + (f" · {say('{n} of {all} evaluations done', n=done, all=count)}" if count > 1 else "")  # fmt: skip
    share = min(1.0, (min(done, count - 1) + at.answers / max(1, at.wanted)) / count)
    bar = h("div", h("i", style=f"width:{100 * share:.1f}%"), class_="bar", role="progressbar",
            aria_label=said, aria_valuenow=round(100 * share), aria_valuemin=0, aria_valuemax=100)  # fmt: skip
    return h("div", bar, h("small", said, class_="quiet", role="status"))


def parts_of(each: Started) -> tuple[int, int]:
    """How many evaluations of the command are done, and how many it asks for."""
    count = sum(word in _STEPS for word in each.words) * (2 if "--base" in each.words else 1)
    return len([path for path in _files_of(each, "*.json")]), max(1, count)


def progress_of(each: Started) -> Progress | None:
    """By the file that grows: its head says what is asked, and each line behind it is an answer."""
    growing = [path for path in _files_of(each, "*.jsonl") if not path.with_suffix(".json").exists()]
    if not growing:
        return None
    path = max(growing, key=_written)
    try:
        with path.open("rb") as stream:
            head = json.loads(stream.readline(_HEAD_BYTES))
        n, k = int(head["n"]), int(head.get("k", 1))
        return Progress(str(head.get("mode", "?")), head.get("weights") is None, _lines(path), n * k)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _files_of(each: Started, pattern: str) -> list[Path]:
    """What was written below the run since the command began."""
    run = run_named(each.about)
    return [] if run is None else [path for path in run.evals.glob(pattern) if _written(path) >= each.time]


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


_counted: dict[Path, tuple[int, int, int]] = {}  # inode, bytes read, ends of lines in them


def _lines(path: Path) -> int:
    """The whole lines behind the head; only what was added is read."""
    with path.open("rb") as stream:
        stat = path.stat()
        inode, offset, count = _counted.get(path, (0, 0, 0))
        if inode != stat.st_ino or offset > stat.st_size:
            offset, count = 0, 0
        stream.seek(offset)
        while block := stream.read(1 << 20):
            offset, count = offset + len(block), count + block.count(b"\n")
    _counted[path] = (stat.st_ino, offset, count)
    return max(0, count - 1)
