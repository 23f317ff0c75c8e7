"""How does a model folder become a tokenizer, and which tokens end an answer?"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpoctl.data.problems import Problem
from grpoctl.data.templates import FAMILIES
from grpoctl.errors import Finding, ModelError
from grpoctl.model_files import find_tokenizer
from grpoctl.recipe.schema import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_log = logging.getLogger(__name__)


def load_tokenizer(recipe: Recipe, model_folder: Path, *, as_it_is: bool = False) -> "PreTrainedTokenizerBase":
    """`as_it_is` reads a tokenizer.json as check does, without asking which class of transformers it belongs to: that
    loads the code of every model, and two seconds go by."""
    folder = find_tokenizer(recipe) or model_folder
    with said_in_one_line(folder, "tokenizer"):
        if as_it_is and (folder / "tokenizer.json").is_file():
            from transformers import PreTrainedTokenizerFast

            tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(folder, padding_side="left")
        else:
            from transformers import AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(
                folder, padding_side="left", trust_remote_code=recipe.trust_remote_code
            )
    refuse_endless(tokenizer.eos_token_id, folder)
    family = FAMILIES.get(recipe.template or "")
    if tokenizer.chat_template is None and family is not None:
        tokenizer.chat_template = family.jinja  # which the trained model's folder then has as well
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        # Masks are made from lengths and never from token numbers, so any token will do to fill short rows.
        tokenizer.pad_token = tokenizer.eos_token
        _log.info("%s: has no pad token of its own; short rows are filled with %s.", folder, tokenizer.eos_token)
    return tokenizer


def refuse_endless(end: int | None, folder: Path) -> None:
    if end is None:
        fix = "name one as eos_token in tokenizer_config.json, or no completion would ever end"
        raise ModelError(Finding("has no end token", fix, file=str(folder)))


def end_ids(tokenizer: Any, declared: int | list[int] | None, template_name: str | None = None) -> tuple[int, ...]:
    """Every token that ends an answer: the tokenizer's, those the model declares, and what its chat template closes a
    turn with."""
    family = FAMILIES.get(template_name or "")
    added = tokenizer.added_tokens_decoder.items() if family is not None else ()
    lent = [number for number, token in added if family is not None and token.content == family.end]
    ends = declared if isinstance(declared, list) else [] if declared is None else [declared]
    return tuple(dict.fromkeys([tokenizer.eos_token_id, *ends, *_turn_end(tokenizer), *lent]))


def _turn_end(tokenizer: Any) -> list[int]:
    """A base model may end its text with one token while the template it is trained in ends turns with another."""
    if not tokenizer.chat_template:
        return []
    mark = "one two three"
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": mark}]
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False)
    except Exception:  # a template that takes no such conversation says nothing about its end
        return []
    ids = tokenizer(text.rpartition(mark)[2], add_special_tokens=False)["input_ids"]
    return ids[:1] if ids[:1] and ids[0] in tokenizer.all_special_ids + _added_special(tokenizer) else []


def _added_special(tokenizer: Any) -> list[int]:
    return [number for number, token in tokenizer.added_tokens_decoder.items() if token.special]


def refuse_unknown_tokens(tokenizer: Any, known: int, problems: list[Problem], model: Path) -> None:
    """A tokenizer of another model gives numbers that this one has no row for."""
    if max(tokenizer.get_vocab().values(), default=0) < known:
        return
    for problem in problems:
        if max(tokenizer(problem.prompt, add_special_tokens=False)["input_ids"], default=0) >= known:
            problem_said = f"knows {known} tokens, and a prompt has others"
            raise ModelError(Finding(problem_said, "give the tokenizer that belongs to the model", file=str(model)))


@contextmanager
def said_in_one_line(folder: Path, what: str) -> Iterator[None]:
    """Whatever a loader of files raises, as one line about the folder."""
    try:
        yield
    except Exception as error:  # these loaders raise whatever their parts do
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        fix = "download it again, or name another"
        raise ModelError(Finding(f"cannot be loaded as a {what} ({reason})", fix, file=str(folder))) from error


def quieten_transformers() -> None:
    """Its bars and notes are for its own users; what matters here is said by grpoctl."""
    from transformers.utils import logging as transformers_logging

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # What it warns of goes into train.log, as everything that is logged, and not on the screen.
    transformers_logging.set_verbosity_warning()
    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module=r"transformers(\.|$)")


class TextOfTokens:
    """The text of tokens that come one by one, each piece once its characters are whole.

    A token may hold a part of a character, and what it looks like may hang on the one before. So a piece is what a few
    tokens say beyond what the first of them said; decoding all of them each time would cost the square of their number.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._known, self._given = 0, 0  # where the piece given last begins and ends

    def add(self, token: int) -> str:
        self._ids.append(token)
        return self._news(whole=False)

    def rest(self) -> str:
        """What was held back, as it is."""
        return self._news(whole=True)

    def _news(self, whole: bool) -> str:
        before = self._text(self._ids[self._known : self._given])
        now = self._text(self._ids[self._known :])
        # U+FFFD stands for bytes that are no character yet.
        if not whole and (len(now) <= len(before) or now.endswith("\ufffd")):
            return ""
        self._known, self._given = self._given, len(self._ids)
        return now[len(before) :]

    def _text(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text
