"""How is a model folder's tokenizer read without transformers, whose import is a third of a JAX run's start?"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from grpoctl.data.chat import ChatTokenizer, Message
from grpoctl.model_files import find_tokenizer
from grpoctl.paths import is_file
from grpoctl.recipe.schema import Recipe
from grpoctl.tokenizer import load_tokenizer, quieten_transformers, refuse_endless
from grpoctl.tokenizer_files import json_of

if TYPE_CHECKING:
    from tokenizers import AddedToken

# Special tokens in the order in which transformers adds those that tokenizer.json lacks.
_NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")

# Settings and files by which transformers makes something else of a tokenizer.json.
_THEIRS = ("fast_tokenizer_files", "fix_mistral_regex")
_FILES_OF_OLD = ("special_tokens_map.json", "added_tokens.json")


def load_tokenizer_alone(recipe: Recipe, model_folder: Path) -> Any:
    """The tokenizer as transformers' fast class reads it; by transformers itself where `tokenizers` is not enough."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    folder = find_tokenizer(recipe) or model_folder
    if _can_be_read_alone(folder):
        tokenizer = TokenizerAlone(folder, recipe.template)
        if not tokenizer.is_cleaned_up:
            refuse_endless(tokenizer.eos_token_id, folder)
            return tokenizer
    quieten_transformers()
    return load_tokenizer(recipe, model_folder, as_it_is=True)


def _can_be_read_alone(folder: Path) -> bool:
    if not is_file(folder / "tokenizer.json"):
        return False
    config = json_of(folder / "tokenizer_config.json")
    of_old = "added_tokens_decoder" not in config and any(is_file(folder / name) for name in _FILES_OF_OLD)
    return not of_old and config.keys().isdisjoint(_THEIRS)


class TokenizerAlone(ChatTokenizer):
    """What the JAX engines ask of a tokenizer, by transformers' names."""

    def __init__(self, folder: Path, template_name: str | None = None) -> None:
        super().__init__(folder, template_name)
        tokens, config = self._tokenizer, self._config
        special = list(_special(config))
        tokens.encode_special_tokens = bool(config.get("split_special_tokens"))
        tokens.add_tokens(list(self._lacking(special)))
        self.chat_template = self.template
        self.all_special_ids: list[int] = [tokens.token_to_id(_text(token)) for token in special]
        self.eos_token_id: int | None = tokens.token_to_id(self.end_token) if self.end_token else None

    @property
    def is_cleaned_up(self) -> bool:
        """Whether transformers takes blanks out of decoded text: never of BPE's, whatever the settings say."""
        return bool(self._config.get("clean_up_tokenization_spaces")) and type(self._tokenizer.model).__name__ != "BPE"

    @property
    def added_tokens_decoder(self) -> dict[int, "AddedToken"]:
        added: dict[int, AddedToken] = self._tokenizer.get_added_tokens_decoder()
        return added

    def get_vocab(self) -> dict[str, int]:
        vocabulary: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        return vocabulary

    def __call__(self, text: str | Sequence[str], *, add_special_tokens: bool) -> dict[str, Any]:
        """The tokens of a text, or of each."""
        texts = [text] if isinstance(text, str) else list(text)
        encoded = self._tokenizer.encode_batch_fast(texts, add_special_tokens=add_special_tokens)
        ids = [each.ids for each in encoded]
        return {"input_ids": ids[0] if isinstance(text, str) else ids}

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        text: str = self._tokenizer.decode([int(token) for token in ids], skip_special_tokens=skip_special_tokens)
        return text

    def batch_decode(self, rows: Sequence[Sequence[int]], skip_special_tokens: bool = False) -> list[str]:
        return [self.decode(row, skip_special_tokens) for row in rows]

    def apply_chat_template(self, messages: Sequence[Message], *, tokenize: Literal[False]) -> str:
        return self.render(messages, ask=False)

    def _lacking(self, special: list[Any]) -> Iterator["AddedToken"]:
        """Tokens that the settings name, and that tokenizer.json does not have, or not so."""
        from tokenizers import AddedToken

        there = self.added_tokens_decoder.values()
        kept = {repr(token) for token in there}
        settings = self._config.get("added_tokens_decoder") or {}
        listed = [AddedToken(**settings[number]) for number in sorted(settings, key=int)]
        new = [token for token in listed if repr(token) not in kept]
        named = {_text(token) for token in special}
        for token in new:
            token.special = token.special or token.content in named
            yield token
        known = {token.content for token in (*there, *new)}
        for token in special:
            if _text(token) not in known:
                known.add(_text(token))
                yield AddedToken(**_flags(token), special=True)


def _special(config: dict[str, Any]) -> Iterator[Any]:
    """Tokens that the settings name as special: each a text, or a text and its flags."""
    others = [name for name in config if name.endswith("_token") and name not in _NAMED]
    extra = config.get("extra_special_tokens", config.get("additional_special_tokens")) or []
    named = [config.get(name) for name in (*_NAMED, *others)]
    for token in (*named, *(extra.values() if isinstance(extra, dict) else extra)):
        if isinstance(token, str | dict):
            yield token


def _text(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


def _flags(token: Any) -> dict[str, Any]:
    """What AddedToken takes, without what this project says itself."""
    if isinstance(token, str):
        return {"content": token}
    return {name: value for name, value in token.items() if name not in ("__type", "special")}
