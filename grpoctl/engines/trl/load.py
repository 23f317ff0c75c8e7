"""How do a model folder and a recipe become a tokenizer and a model that can be trained?"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from grpoctl.data.templates import FAMILIES
from grpoctl.engines.trl.rollout import Model
from grpoctl.engines.trl.translate import lora_arguments, model_arguments, quantization_arguments
from grpoctl.errors import Finding, ModelError
from grpoctl.model_files import find_model, find_tokenizer
from grpoctl.recipe.schema import Recipe

_log = logging.getLogger(__name__)


def load_tokenizer(recipe: Recipe, model_folder: Path) -> PreTrainedTokenizerBase:
    folder = find_tokenizer(recipe) or model_folder
    with _said_in_one_line(folder, "tokenizer"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, padding_side="left", trust_remote_code=recipe.trust_remote_code
        )
    if tokenizer.eos_token_id is None:
        fix = "name one as eos_token in tokenizer_config.json, or no completion would ever end"
        raise ModelError(Finding("has no end token", fix, file=str(folder)))
    family = FAMILIES.get(recipe.template or "")
    if tokenizer.chat_template is None and family is not None:
        tokenizer.chat_template = family.jinja  # which the trained model's folder then has as well
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        # Masks are made from lengths and never from token numbers, so any token will do to fill short rows.
        tokenizer.pad_token = tokenizer.eos_token
        _log.info("%s: has no pad token of its own; short rows are filled with %s.", folder, tokenizer.eos_token)
    return tokenizer


def end_ids(tokenizer: Any, model: Model, template_name: str | None = None) -> tuple[int, ...]:
    """Every token that ends an answer: the tokenizer's, the model's, and what its chat template closes a turn with."""
    family = FAMILIES.get(template_name or "")
    added = tokenizer.added_tokens_decoder.items() if family is not None else ()
    lent = [number for number, token in added if family is not None and token.content == family.end]
    declared = model.generation_config.eos_token_id
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


def load_model(recipe: Recipe, folder: Path) -> Model:
    """The model, with the adapters that the recipe starts from."""
    arguments = model_arguments(recipe)
    quantization = quantization_arguments(recipe)
    if quantization is not None:
        arguments["quantization_config"] = BitsAndBytesConfig(**quantization)
    with _said_in_one_line(folder, "model"):
        model: Model = AutoModelForCausalLM.from_pretrained(folder, **arguments)
    for number, adapter in enumerate(recipe.adapter_name_or_path, 1):
        last = number == len(recipe.adapter_name_or_path)
        place = find_model(adapter, cache_dir=recipe.cache_dir) or adapter
        with _said_in_one_line(Path(place), "adapter"):
            adapted = PeftModel.from_pretrained(model, place, is_trainable=last)
            model = adapted if last else adapted.merge_and_unload()
    return model


def lora_config(recipe: Recipe) -> LoraConfig | None:
    """New adapters; None for full training, or where the recipe brings adapters to go on with."""
    arguments = lora_arguments(recipe)
    return None if arguments is None or recipe.adapter_name_or_path else LoraConfig(**arguments)


@contextmanager
def _said_in_one_line(folder: Path, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # these loaders raise whatever their parts do
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        fix = "download it again, or name another"
        raise ModelError(Finding(f"cannot be loaded as a {what} ({reason})", fix, file=str(folder))) from error


def quieten_libraries() -> None:
    """Their bars and notes are for their own users; what matters here is said by grpoctl."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # What it warns of goes into train.log, as everything that is logged, and not on the screen.
    transformers_logging.set_verbosity_warning()
    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module=r"(torch|transformers|trl|peft|accelerate|datasets)(\.|$)")
