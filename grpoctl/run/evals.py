"""Where is an evaluation kept, and how does one that was interrupted go on?

`eval/<stem>.jsonl` has a first line that says what is asked of whom, and then every sample, a line each, a batch at a
time; `eval/<stem>.json` is the report, written once all samples are there.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grpoctl.run.files import write_json


def eval_stem(mode: str, step: int, *others: str) -> str:
    """The name of an evaluation's files, with what sets it apart from the usual one of that step."""
    return "-".join([mode, f"step-{step:06d}", *filter(None, others)])


class EvalFiles:
    """The two files of one evaluation."""

    def __init__(self, folder: Path, stem: str) -> None:
        self.report = folder / f"{stem}.json"
        self.samples = folder / f"{stem}.jsonl"

    def begin(self, head: dict[str, Any], sizes: Sequence[int]) -> list[dict[str, Any]]:
        """The samples of the whole batches that an interrupted evaluation of the same head left; else none.

        `sizes` are those of its batches. What stands behind the last whole one is cut off.
        """
        self.samples.parent.mkdir(parents=True, exist_ok=True)
        left = [] if self.report.exists() else self._left(head)
        self.report.unlink(missing_ok=True)
        whole = 0
        for size in sizes:
            if whole + size > len(left):
                break
            whole += size
        lines = [json.dumps(head, ensure_ascii=False), *(text for text, _ in left[:whole])]
        beside = self.samples.with_name(f".{self.samples.name}.{os.getpid()}")
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
        beside.replace(self.samples)
        return [sample for _, sample in left[:whole]]

    def _left(self, head: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """The lines and samples up to the first that is cut short."""
        try:
            # A kill may have cut a letter in two.
            first, *lines = self.samples.read_text(encoding="utf-8", errors="replace").split("\n")
            if json.loads(first) != json.loads(json.dumps(head)):
                return []
        except (OSError, ValueError):
            return []
        left = []
        for line in lines[:-1]:  # behind the last line's end there is nothing, or a line without one
            try:
                sample = json.loads(line)
            except ValueError:
                break
            left.append((line, sample))
        return left

    def add(self, samples: Sequence[dict[str, Any]]) -> None:
        """One batch, in one write."""
        text = "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
        with self.samples.open("a", encoding="utf-8") as stream:
            stream.write(text)

    def finish(self, report: dict[str, Any]) -> None:
        write_json(self.report, report)


def read_samples(path: Path) -> list[dict[str, Any]]:
    """The samples of a file, without its head; none where there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[1:]  # splitlines() would also cut at an answer's U+2028
        return [json.loads(line) for line in lines if line]
    except (OSError, ValueError):
        return []
