"""Which commands do the documents show? Lines of their blocks, and the code within their sentences."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / name for name in ("README.md", "README_zh.md", "CONTRIBUTING.md", "data/README.md")]
DOCUMENTS = [path for path in DOCUMENTS if path.exists()] + sorted(ROOT.glob("docs/*.md"))

_FENCED = re.compile(r"^( *)```[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^(?: {4}|\t)(.*)$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`", re.DOTALL)
_ASSIGNED = re.compile(r"^(?:[A-Z_0-9]+=\S*\s+)+")
_PROGRAMS = ("grpoctl ", "make ", "python ", "pytest ", "pip install ", "tensorboard ")


@dataclass(frozen=True)
class Shown:
    """A command, and where it is shown first; `whole` ones stand in a block and can be copied as they are."""

    line: str
    document: str
    whole: bool

    @property
    def words(self) -> list[str]:
        return shlex.split(self.line, comments=True)

    def __str__(self) -> str:
        return f"{self.document}: {self.line}"


def shown_commands() -> list[Shown]:
    """Every command once, those of blocks first."""
    found: dict[str, Shown] = {}
    for whole in (True, False):
        for path in DOCUMENTS:
            for line in _lines(path.read_text(encoding="utf-8"), whole):
                found.setdefault(line, Shown(line, path.relative_to(ROOT).as_posix(), whole))
    return list(found.values())


def _lines(text: str, whole: bool) -> list[str]:
    if whole:
        blocks = [match[2] for match in _FENCED.finditer(text)]
        blocks.append("\n".join(_INDENTED.findall(_FENCED.sub("", text))))
        lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    else:
        lines = [" ".join(code.split()) for code in _CODE.findall(_FENCED.sub("", text))]
    lines = [_ASSIGNED.sub("", line.strip().removeprefix("$ ")).removeprefix(".venv/bin/") for line in lines]
    return [" ".join(line.split()) if not whole else line for line in lines if line.startswith(_PROGRAMS)]
