"""Which files make a tokenizer, and how do they get into an exported folder?"""

import json
import shutil
from pathlib import Path
from typing import Any

from grpoctl.errors import Finding, ModelError

# Whatever a tokenizer may consist of.
_TOKENIZER = (
    "tokenizer*.json",
    "tokenization*.py",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.*",
    "additional_chat_templates/*",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
)


def write_tokenizer(tokenizer: Any, source: Path, base: Path, folder: Path) -> None:
    """The files as they are, and what they lack."""
    for file in (file for pattern in _TOKENIZER for file in source.glob(pattern)):
        place = folder / file.relative_to(source)
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, place)
    if not (folder / "tokenizer.json").is_file():
        tokenizer.save_pretrained(folder)
    elif tokenizer.chat_template and not _has_template(folder):  # one that the recipe's template lends
        (folder / "chat_template.jinja").write_text(tokenizer.chat_template, encoding="utf-8")
    # transformers does not write it, and of some models llama.cpp's converter reads nothing else.
    pieces = "tokenizer.model"
    if (base / pieces).is_file() and not (folder / pieces).is_file():
        shutil.copyfile(base / pieces, folder / pieces)


def _has_template(folder: Path) -> bool:
    in_config = json_of(folder / "tokenizer_config.json").get("chat_template")
    return bool(in_config) or (folder / "chat_template.jinja").is_file()


def json_of(file: Path) -> dict[str, Any]:
    """The settings in a model's file; none where it is missing."""
    if not file.is_file():
        return {}
    try:
        value: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise ModelError(Finding("is not JSON", "make it anew, or copy it again", file=str(file))) from None
    return value
