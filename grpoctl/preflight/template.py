"""Does the chat template fit what the recipe says, and does the model stop where it ends an answer?"""

import json

from grpoctl.data.chat import ChatTokenizer
from grpoctl.data.endings import end_of_turn, stops
from grpoctl.data.templates import FAMILIES
from grpoctl.preflight.result import Teller
from grpoctl.recipe.schema import Recipe


def check_template(recipe: Recipe, tokenizer: ChatTokenizer, tell: Teller) -> None:
    """There is one, it is of the family that `template` names, and the model stops where it ends an answer."""
    family = FAMILIES.get(recipe.template or "")
    if tokenizer.template is None:
        lent = "name its family as template (qwen, llama3, gemma, deepseek3, glm4 …)"
        tell.warn(
            "model_name_or_path",
            "has no chat template, so the question alone is the prompt",
            f"use a chat model, or {lent}",
        )
        return
    if tokenizer.own_template is None and family is not None:
        unknown = [mark for mark in (*family.marks, family.end) if mark.startswith("<") and not tokenizer.knows(mark)]
        if unknown:
            fix = "name the template that the model was made for"
            tell.error("template", f"is {recipe.template}, and this tokenizer has no {unknown[0]}", fix)
        else:
            said = f"is {recipe.template}, which is used, as the tokenizer has no chat template"
            tell.warn("template", said, "take it out if the question alone is to be the prompt")
    elif family is not None:
        prompt = tokenizer.render([{"role": "user", "content": ""}], recipe.enable_thinking)
        if not all(mark in prompt for mark in family.marks):
            begins = json.dumps(prompt.strip()[:40], ensure_ascii=False)
            said = f"is {recipe.template}, and the tokenizer's own template, which is used, is another ({begins})"
            tell.warn("template", said, "take it out, or check that the model is the one you mean")
    _check_that_it_stops(recipe, tokenizer, tell)


def _check_that_it_stops(recipe: Recipe, tokenizer: ChatTokenizer, tell: Teller) -> None:
    end, known = end_of_turn(tokenizer), stops(tokenizer)
    if end is not None and known and end not in known:
        tell.warn(
            "tokenizer_name_or_path" if recipe.tokenizer_name_or_path else "model_name_or_path",
            f"ends an answer with {end} by its chat template, and stops at {' and '.join(known)} alone",
            f"training stops at both; for later use name {end} as eos_token in tokenizer_config.json",
        )


def _check_end_and_pad(recipe: Recipe, tokenizer: ChatTokenizer, tell: Teller) -> None:
    key = "tokenizer_name_or_path" if recipe.tokenizer_name_or_path else "model_name_or_path"
    if tokenizer.end_token is None:
        fix = "name one as eos_token in tokenizer_config.json"
        tell.error(key, "has a tokenizer without an end token, so no completion would end", fix)
    elif tokenizer.pad_token in (None, tokenizer.end_token):
        held = "no pad token" if tokenizer.pad_token is None else f"its end token {tokenizer.end_token} as pad token"
        fix = "leave it for engine trl, which masks by length; the JAX engines need a pad token of its own"
        tell.warn(key, f"has a tokenizer with {held}", fix)
