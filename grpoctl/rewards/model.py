"""What does a reward model say: any sequence classifier of Hugging Face?"""

import functools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grpoctl.errors import Finding, ModelError
from grpoctl.model_files import fault_of_folder, fault_of_name, find_model, is_remote
from grpoctl.rewards.registry import Score, reward
from grpoctl.rewards.results import BrokenReward

_LOADING = threading.Lock()


def _arguments(arguments: Mapping[str, Any]) -> tuple[str, str, str] | None:
    path = arguments["path"]
    fault = fault_of_name(path)
    if fault is None and not is_remote(path):
        folder = find_model(path)
        fault = fault_of_folder(folder) if folder is not None and folder.is_dir() else None
        if folder is None or not folder.is_dir():
            fault = ("is no folder here", "check the path, or give a Hugging Face name")
    if fault is not None:
        return f"is {path}: {fault[0]}", fault[1], "path"
    if arguments.get("batch_size", 1) < 1:
        return "is below 1", "use 1 or more", "batch_size"
    return None if arguments.get("max_length", 1) > 0 else ("is not above 0", "give a number of tokens", "max_length")


@reward(maximum=None, tried_by_check=False, refuses=_arguments)
def model(
    completions: Sequence[str],
    question: Sequence[str],
    *,
    path: str,
    batch_size: int = 16,
    max_length: int = 4096,
    label: int = -1,
) -> list[Score]:
    """The output of the sequence classifier at `path` for question and completion: its only one, or that of `label`.

    A chat template, where its tokenizer has one, makes one text of the two.
    """
    judge = _load(path)
    texts = [judge.text(asked, said) for asked, said in zip(question, completions, strict=True)]
    # Texts of like length share a batch, so that little of it is padding.
    order = sorted(range(len(texts)), key=lambda row: len(texts[row][0]) + len(texts[row][1] or ""))
    scores: list[Score] = [None] * len(texts)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        for row, score in zip(rows, judge.score([texts[row] for row in rows], max_length, label), strict=True):
            scores[row] = score
    return scores


class _Judge:
    """A loaded classifier with its tokenizer."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        from grpoctl.tokenizer import quieten_transformers

        quieten_transformers()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, truncation_side="left", trust_remote_code=False)
            classifier = AutoModelForSequenceClassification.from_pretrained(
                folder, dtype="auto", trust_remote_code=False, use_safetensors=True
            )
        except Exception as error:  # these loaders raise whatever their parts do
            reason = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
            fault = Finding(f"cannot be loaded as a reward model ({reason})", "name another", file=str(folder))
            raise ModelError(fault) from error
        self._model = classifier.to(device).eval()
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        if self._model.config.pad_token_id is None:
            # By which a decoder finds the last token of a text, from which it scores.
            self._model.config.pad_token_id = self._tokenizer.pad_token_id

    def text(self, question: str, completion: str) -> tuple[str, str | None]:
        """What is scored: one text in the chat template, or a pair of texts for a plain encoder."""
        if not self._tokenizer.chat_template:
            return question, completion
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": completion}]
        return self._tokenizer.apply_chat_template(turns, tokenize=False), None

    def score(self, texts: Sequence[tuple[str, str | None]], max_length: int, label: int) -> list[float]:
        import torch

        positions = getattr(self._model.config, "max_position_embeddings", None) or max_length
        longest = min(max_length, positions, self._tokenizer.model_max_length)
        paired = texts[0][1] is not None
        inputs = self._tokenizer(
            [first for first, _ in texts],
            [second for _, second in texts] if paired else None,
            padding=True,
            # What is too long loses its beginning: a verdict stands on how it ends.
            truncation=True,
            max_length=longest,
            add_special_tokens=paired,
            return_tensors="pt",
        ).to(self._model.device)
        with torch.inference_mode():
            logits = self._model(**inputs).logits
        if label >= logits.shape[-1] or (label < 0 and logits.shape[-1] > 1):
            raise BrokenReward(
                "model", f"has {logits.shape[-1]} outputs", "say which one is the score, by label: 0 or more"
            )
        return [float(value) for value in logits[:, max(label, 0)].float()]


def _load(path: str) -> _Judge:
    with _LOADING:  # once, whichever thread asks first
        return _loaded(path)


@functools.cache
def _loaded(path: str) -> _Judge:
    folder = find_model(path)
    if folder is None or not folder.is_dir():
        raise ModelError(Finding("is not on this machine", f"fetch it first: hf download {path}", file=path))
    return _Judge(folder)
