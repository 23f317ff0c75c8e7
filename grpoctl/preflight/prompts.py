"""Do rows become prompts that fit the model and ask for what the rewards read?"""

from grpoctl.counted import counted
from grpoctl.data.chat import ChatTokenizer, messages_of
from grpoctl.errors import ModelError
from grpoctl.model_files import fault_of_folder, fault_of_name, find_tokenizer
from grpoctl.paths import is_folder
from grpoctl.preflight.result import Preflight, Teller
from grpoctl.preflight.scores import GOLD_ROWS, gold_completion
from grpoctl.preflight.template import check_template
from grpoctl.recipe.schema import Recipe


def check_prompts(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    """Render the prompts, and see that they ask for what the rewards read and that answers fit behind them."""
    _check_that_tags_are_asked_for(recipe, result, tell)
    _tell_of_dropped_systems(recipe, result, tell)
    render_prompts(recipe, result, tell)
    if result.tokenizer is not None and result.prompts:
        _check_that_completions_fit(recipe, result, result.tokenizer, tell)


def _tell_of_dropped_systems(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    own = sum(row.system is not None for row in result.rows or [])
    if own and recipe.system_prompt is not None:
        said = f"takes the place of the system turn that {own} of {len(result.rows or [])} rows bring"
        tell.warn("system_prompt", said, "take it out to keep theirs")


def render_prompts(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    """Render every prompt, count its tokens, and leave out those that are too long. A picture is its own prompt."""
    if recipe.reads_pictures:
        result.prompts = [row.question for row in result.rows or []]
        return
    result.tokenizer = tokenizer = _tokenizer(recipe, tell)
    rows = result.rows
    if tokenizer is None or not rows:
        return
    check_template(recipe, tokenizer, tell)
    try:
        prompts = [tokenizer.render(messages_of(row, recipe), recipe.enable_thinking) for row in rows]
        tokens = tokenizer.lengths(prompts)
    except ModelError as error:
        tell.findings += error.findings
        return
    kept = [index for index, length in enumerate(tokens) if length <= (recipe.max_prompt_length or 0)]
    _tell_of_long_prompts(recipe, tokens, len(kept), tell)
    result.rows = [rows[index] for index in kept]
    result.prompts = [prompts[index] for index in kept]
    result.prompt_tokens = [tokens[index] for index in kept]


def _tell_of_long_prompts(recipe: Recipe, tokens: list[int], kept: int, tell: Teller) -> None:
    if kept == len(tokens):
        return
    by_cutoff = "cutoff_len" in recipe.model_fields_set and recipe.cutoff_len == recipe.max_prompt_length
    key = "cutoff_len" if by_cutoff else "max_prompt_length"
    said = f"leaves out {len(tokens) - kept} of {counted(len(tokens), 'prompt')}, the longest of {max(tokens)} tokens"
    if kept:
        tell.warn(key, said, "raise it to keep them")
    else:
        tell.error(key, said, "raise it")


def _tokenizer(recipe: Recipe, tell: Teller) -> ChatTokenizer | None:
    """The tokenizer of the model, where it is here and whole."""
    apart = recipe.tokenizer_name_or_path is not None
    key = "tokenizer_name_or_path" if apart else "model_name_or_path"
    name = recipe.tokenizer_name_or_path or recipe.model_name_or_path
    if name is None:
        return None
    fault = fault_of_name(name)
    if fault is not None:
        tell.error(key, f"{fault[0]}: {name}", fault[1])
        return None
    folder = find_tokenizer(recipe)
    if folder is None:
        get = f"hf download {name}" if "://" not in name else "copy it here"
        tell.warn(key, f"is {name}, which is not on this machine", f"fetch it first to have its prompts checked: {get}")
        return None
    if not is_folder(folder):
        fix = "check the path, or give a Hugging Face name such as Qwen/Qwen3-0.6B"
        tell.error(key, f"is {name}, and no such folder is here", fix)
        return None
    fault = None if apart else fault_of_folder(folder)
    if fault is not None:
        tell.error(key, fault[0], fault[1])
        return None
    try:
        return ChatTokenizer(folder, recipe.template)
    except ModelError as error:
        tell.findings += error.findings
        return None


def _check_that_tags_are_asked_for(recipe: Recipe, result: Preflight, tell: Teller) -> None:
    """A model that was never told of the tags rarely writes them, and then no group has a spread."""
    if recipe.system_prompt == "":
        return  # which says that the model knows what to do
    tags = {"answer_tag": recipe.answer_tag, "reasoning_tag": recipe.reasoning_tag}
    read = [tag for name, tag in tags.items() if any(name in ready.reward.arguments for ready in result.rewards)]
    turns = [turn["content"] for row in (result.rows or [])[:10] for turn in messages_of(row, recipe)]
    told = [*turns, recipe.system_prompt or "", recipe.default_system or ""]
    untold = [f"<{tag}>" for tag in read if not any(f"<{tag}>" in text for text in told)]
    if untold:
        tell.warn(
            "system_prompt",
            f"{'is missing' if recipe.system_prompt is None else 'does not speak of them'}, "
            f"and no prompt asks for {' and '.join(untold)}, which rewards read",
            'ask for them in it, or set it to "" if the model knows them',
        )


def _check_that_completions_fit(recipe: Recipe, result: Preflight, tokenizer: ChatTokenizer, tell: Teller) -> None:
    longest, room, positions = max(result.prompt_tokens), recipe.max_completion_length or 0, tokenizer.max_positions
    shortest = max(tokenizer.lengths([gold_completion(recipe, row, "") for row in (result.rows or [])[:GOLD_ROWS]]))
    if shortest > room:
        tell.warn(
            "max_completion_length",
            f"is {room}, and a gold answer in its tags takes {shortest} tokens without any reasoning",
            "raise it",
        )
    if positions is not None and longest + room > positions:
        fitting = positions - longest
        tell.warn(
            "max_completion_length",
            f"is {room}, and a prompt has {longest} tokens: more than the model's {positions}",
            f"use {fitting} or less" if fitting > 0 else "use shorter prompts",
        )
