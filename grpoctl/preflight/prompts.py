"""Do rows become prompts that fit the model and ask for what the rewards read?"""

from grpoctl.data.chat import ChatTokenizer, messages_of
from grpoctl.errors import ModelError
from grpoctl.model_files import find_model
from grpoctl.paths import is_folder
from grpoctl.preflight.result import Preflight, Teller
from grpoctl.recipe.schema import Recipe


def check_prompts(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    """Render every prompt, count its tokens, and leave out those that are too long."""
    tokenizer = _tokenizer(recipe, tell)
    rows = result.rows
    if tokenizer is None or not rows:
        return
    if tokenizer.template is None:
        tell.warn(
            "model_name_or_path",
            "has no chat template, so the question alone is the prompt",
            "use a chat model, or write the questions as prompts",
        )
    try:
        prompts = [tokenizer.render(messages_of(row, recipe), recipe.enable_thinking) for row in rows]
    except ModelError as error:
        tell.findings += error.findings
        return
    tokens = tokenizer.lengths(prompts)
    limit = recipe.max_prompt_length or 0
    kept = [index for index, length in enumerate(tokens) if length <= limit]
    key = "cutoff_len" if "cutoff_len" in recipe.model_fields_set else "max_prompt_length"
    if len(kept) < len(rows):
        said = f"leaves out {len(rows) - len(kept)} of {len(rows)} prompts, the longest of {max(tokens)} tokens"
        if kept:
            tell.warn(key, said, "raise it to keep them")
        else:
            tell.error(key, said, "raise it")
            return
    result.rows = [rows[index] for index in kept]
    result.prompts = [prompts[index] for index in kept]
    result.prompt_tokens = [tokens[index] for index in kept]
    _check_that_tags_are_asked_for(recipe, result, tell)
    _check_that_completions_fit(recipe, result, tokenizer.max_positions, tell)


def _tokenizer(recipe: Recipe, tell: Teller) -> ChatTokenizer | None:
    key = "tokenizer_name_or_path" if recipe.tokenizer_name_or_path else "model_name_or_path"
    name = getattr(recipe, key)
    if name is None:
        return None
    folder = find_model(name, recipe.model_revision, recipe.cache_dir)
    if folder is None:
        tell.warn(key, f"is {name}, which is not on this machine", "download it first to have its prompts checked")
        return None
    if not is_folder(folder):
        fix = "check the path, or give a Hugging Face name such as Qwen/Qwen3-0.6B"
        tell.error(key, f"is {name}, and no such folder is here", fix)
        return None
    try:
        return ChatTokenizer(folder)
    except ModelError as error:
        tell.findings += error.findings
        return None


def _check_that_tags_are_asked_for(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    """A model that was never told of the answer tag rarely writes it, and then no group has a spread."""
    reads_tag = any("answer_tag" in ready.reward.arguments for ready in result.rewards)
    told = recipe.system_prompt is not None or any(f"<{recipe.answer_tag}>" in prompt for prompt in result.prompts[:10])
    if reads_tag and not told:
        tell.warn(
            "system_prompt",
            f"is missing, and no prompt asks for the <{recipe.answer_tag}> tag that rewards read",
            f'ask for <{recipe.reasoning_tag}> and <{recipe.answer_tag}> in it, or set it to ""',
        )


def _check_that_completions_fit(recipe: Recipe, result: Preflight, positions: int | None, tell: Teller) -> None:
    longest, completion = max(result.prompt_tokens), recipe.max_completion_length or 0
    if positions is not None and longest + completion > positions:
        room = positions - longest
        tell.warn(
            "max_completion_length",
            f"is {completion}, and a prompt has {longest} tokens: more than the model's {positions}",
            f"use {room} or less" if room > 0 else "use shorter prompts",
        )
