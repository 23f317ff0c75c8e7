"""Whose answers can be set side by side, and which of them are to the same problems?"""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from grpoctl.comparison.before_after import samples_files
from grpoctl.comparison.runs import ComparedRun, Comparison
from webui.compare.found import file_mark
from webui.page import Page

Sample = dict[str, Any]
_Key = tuple[int, str]

_KEPT = 4
_MAX_BYTES = 64 * 2**20  # of an evaluation's file


@dataclass(frozen=True)
class Voice:
    """A run, trained or as it began, in one mode."""

    run: ComparedRun
    mode: str
    is_base: bool

    @property
    def value(self) -> str:
        return f"{self.mode}|{'base' if self.is_base else 'trained'}|{self.run.name}"

    def label(self, page: Page) -> str:
        which = page.say("before training") if self.is_base else page.say("after training")
        return f"{self.run.name} · {which} · {self.mode}"

    @cached_property
    def samples(self) -> Mapping[_Key, Sample]:
        """Its first answer to each problem, by number and prompt."""
        evals = self.run.evals[self.mode]
        report = evals.before if self.is_base else evals.after
        if report is None:
            return {}
        files = samples_files(self.run.directory, self.mode, report)
        return next((found for found in map(read, files) if found), {})


def voices(found: Comparison, modes: Sequence[str]) -> dict[str, Voice]:
    """By the value that stands for it on the page; those of the modes that are shown."""
    every = [
        Voice(run, mode, is_base)
        for run in found.runs
        for mode in modes
        if mode in run.evals
        for is_base in (True, False)
        if (run.evals[mode].before if is_base else run.evals[mode].after) is not None
    ]
    return {voice.value: voice for voice in every}


def two_of(page: Page, every: Mapping[str, Voice]) -> tuple[Voice, Voice]:
    """The two that the page has chosen; else the first run that was asked both before training and after it."""
    given = list(every.values())
    pairs = [(a, b) for a, b in pairwise(given) if a.is_base and not b.is_base and a.run is b.run]
    first, second = pairs[0] if pairs else (given[0], given[-1])
    return every.get(page.text("cmp_a"), first), every.get(page.text("cmp_b"), second)


def pairs_of(a: Voice, b: Voice) -> list[tuple[Sample, Sample]]:
    """Both answers to each problem that both were asked, in the problems' order."""
    theirs = b.samples
    return [(mine, theirs[key]) for key, mine in sorted(a.samples.items()) if key in theirs]


_read: "OrderedDict[Path, tuple[object, Mapping[_Key, Sample]]]" = OrderedDict()
_lock = threading.Lock()


def read(path: Path) -> Mapping[_Key, Sample]:
    """The first sample of each problem in a file; the last few files are kept."""
    mark = file_mark(path)
    with _lock:
        kept = _read.get(path)
        if kept is not None and kept[0] == mark:
            _read.move_to_end(path)
            return kept[1]
    samples: dict[_Key, Sample] = {}
    for sample in _lines(path):
        problem, prompt = sample.get("problem"), sample.get("prompt")
        if isinstance(problem, int) and isinstance(prompt, str):
            samples.setdefault((problem, prompt), sample)
    with _lock:
        _read[path] = (mark, samples)
        _read.move_to_end(path)
        while len(_read) > _KEPT:
            _read.popitem(last=False)
    return samples


def _lines(path: Path) -> list[Sample]:
    """Every whole line behind the head that is a sample."""
    try:
        with path.open("rb") as stream:
            lines = stream.read(_MAX_BYTES).split(b"\n")[1:]
    except OSError:
        return []
    return [found for found in map(_object, lines) if found is not None]


def _object(line: bytes) -> Sample | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):  # half a line
        return None
    return value if isinstance(value, dict) else None
