"""What does a file of completions hold for rewards to score?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpoctl.data.records import read_records
from grpoctl.data.rows import gold_answer
from grpoctl.errors import Finding, InputError
from grpoctl.paths import is_file, is_folder


@dataclass
class Completions:
    """Completions, and the columns that rewards read beside them."""

    texts: list[str]
    columns: dict[str, list[Any]]

    def part(self, start: int, size: int) -> "Completions":
        rows = slice(start, start + size)
        return Completions(self.texts[rows], {name: values[rows] for name, values in self.columns.items()})


def read_completions(file: Path, count_tokens: Callable[[Sequence[str]], list[int]] | None) -> Completions:
    """The lines of a file of {prompt, completion, answer, …}; tokens are counted where the lines do not say them."""
    if is_folder(file):
        raise InputError(Finding("is a folder", "name a file in it", file=str(file)))
    if not is_file(file):
        raise InputError(Finding("is not there", "check the path", file=str(file)))
    lines, rows = [], []
    for line, values in read_records(file):
        lines.append(line)
        rows.append(_checked(values, str(file), line))
    if not rows:
        raise InputError(Finding("holds no completions", "write one a line", file=str(file)))
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names if name not in ("prompt", "completion")}
    if "answer" in columns:
        # The text "None" would be a gold answer that no completion gives.
        if None in columns["answer"]:
            line = lines[columns["answer"].index(None)]
            fix = "write one, or leave it out of every line"
            raise InputError(Finding("has no answer, as other lines have", fix, file=str(file), line=line))
        columns["answer"] = [gold_answer(str(gold)) for gold in columns["answer"]]
        columns.setdefault("references", columns["answer"])
    if "prompt" in names:
        prompts: list[Any] = [row.get("prompt", "") for row in rows]
        columns = {"prompts": prompts, "question": prompts, **columns}
    texts = [row["completion"] for row in rows]
    if "completion_tokens" not in columns and count_tokens is not None:
        columns["completion_tokens"] = list(count_tokens(texts))
    return Completions(texts, columns)


def _checked(values: Any, file: str, line: int | None) -> dict[str, Any]:
    if not isinstance(values, dict):
        problem, fix = "is no JSON object", 'write {"prompt": "…", "completion": "…", "answer": "…"}'
    elif not isinstance(values.get("completion"), str):
        problem, fix = "has no text in completion", "give it one"
    elif not isinstance(values.get("prompt", ""), str):
        problem, fix = "has no text in prompt", "write one, or leave it out"
    elif not isinstance(values.get("answer", ""), str | int | float):
        problem, fix = "has no text or number in answer", "write one, or leave it out"
    else:
        return values
    raise InputError(Finding(problem, fix, file=file, line=line))
