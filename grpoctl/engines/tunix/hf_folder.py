"""Which tensors are in a folder in Hugging Face's layout, and what are they?"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from grpoctl.errors import Finding, ModelError

Array = np.ndarray[Any, Any]

_HEAD, _EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"


class HfFolder:
    """The tensors of a folder by their names; each is read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = self._where()
        self._open: tuple[Path, Any] | None = None

    def names(self) -> set[str]:
        return set(self._files)

    def read(self, name: str) -> Array:
        try:
            tensor: Array = self._file(self._files[name]).get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise self._unreadable(self._files[name].name) from error
        return tensor

    def is_tied(self, config: dict[str, Any]) -> bool:
        """Whether the head is the embedding: where the files have both, transformers ties only what is equal."""
        if not config.get("tie_word_embeddings", False) or not {_HEAD, _EMBEDDING} <= self.names():
            return bool(config.get("tie_word_embeddings", False))
        return np.array_equal(self.read(_HEAD), self.read(_EMBEDDING))

    def _file(self, path: Path) -> Any:
        # Tensors of one file are asked for one after another, so one open file is enough.
        if self._open is None or self._open[0] != path:
            self._open = (path, safe_open(path, framework="numpy"))  # type: ignore[no-untyped-call]
        return self._open[1]

    def _where(self) -> dict[str, Path]:
        single, index = self._folder / "model.safetensors", self._folder / "model.safetensors.index.json"
        try:
            if single.is_file():
                with safe_open(single, framework="numpy") as tensors:  # type: ignore[no-untyped-call]
                    return dict.fromkeys(tensors.keys(), single)
            places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
            return {str(name): self._folder / str(file) for name, file in places.items()}
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise self._unreadable(f"{single.name} or {index.name}") from error

    def _unreadable(self, what: str) -> ModelError:
        return ModelError(
            Finding(f"has no readable {what}", "give a whole Hugging Face folder", file=str(self._folder))
        )
