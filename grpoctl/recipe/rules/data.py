"""Do data, tags, rewards and evaluation go together?"""

from collections.abc import Iterator

from grpoctl.errors import nearest, shown
from grpoctl.recipe.llamafactory import TEMPLATES
from grpoctl.recipe.rules.base import Clash, rule
from grpoctl.recipe.schema import Recipe


@rule
def evaluation_has_data_and_a_rhythm(recipe: Recipe) -> Iterator[Clash]:
    if recipe.val_size >= 1 and recipe.val_size != int(recipe.val_size):
        yield Clash("val_size", f"is {recipe.val_size:g}", "use a share below 1 or a whole number of rows")
    if recipe.val_size and recipe.eval_dataset:
        yield Clash("val_size", "and eval_dataset are both given", "keep one of them", ("eval_dataset",))
    if recipe.val_size and len(recipe.dataset) > 1 and recipe.mix_strategy == "interleave_over":
        yield Clash(
            "val_size",
            "goes with mix_strategy: interleave_over, which repeats rows, so held-out ones would be trained on",
            "use eval_dataset, or interleave_under",
            ("mix_strategy", "dataset"),
        )
    if recipe.eval_strategy != "no" and not recipe.eval_dataset and not recipe.val_size:
        yield Clash(
            "eval_strategy",
            f"is {recipe.eval_strategy}, and there is nothing to evaluate on",
            "add eval_dataset or val_size",
            ("eval_dataset", "val_size"),
        )
    if recipe.eval_strategy == "steps" and recipe.eval_steps is None:
        yield Clash("eval_steps", "is missing, and eval_strategy is steps", "say how often, such as eval_steps: 50")
    if recipe.eval_strategy != "steps" and recipe.eval_steps is not None:
        yield Clash(
            "eval_steps",
            f"does nothing with eval_strategy: {recipe.eval_strategy}",
            "use eval_strategy: steps",
            ("eval_strategy",),
            warning=True,
        )


@rule
def rewards_pull_once_and_each_pulls(recipe: Recipe) -> Iterator[Clash]:
    seen: set[tuple[str, str]] = set()
    for number, use in enumerate(recipe.reward_funcs):
        named = (use.use, str(use.args))
        if named in seen:
            yield Clash("reward_funcs", f"names {use.use} twice", "give it once, with a weight", warning=True)
        if use.weight == 0:
            yield Clash(
                "reward_funcs", f"gives {use.use} (number {number + 1}) the weight 0", "take it out", warning=True
            )
        seen.add(named)


@rule
def evaluation_is_on_other_data(recipe: Recipe) -> Iterator[Clash]:
    both = set(recipe.dataset) & set(recipe.eval_dataset)
    if both:
        yield Clash(
            "eval_dataset",
            f"holds {min(both)}, which is trained on",
            "use data that is not",
            ("dataset",),
            warning=True,
        )


@rule
def tags_differ(recipe: Recipe) -> Iterator[Clash]:
    if recipe.reasoning_tag == recipe.answer_tag:
        yield Clash("answer_tag", f"is {recipe.answer_tag}, as is reasoning_tag", "use two names", ("reasoning_tag",))


@rule
def the_template_is_a_known_name(recipe: Recipe) -> Iterator[Clash]:
    if recipe.template is None or recipe.template in TEMPLATES:
        return
    newer = recipe.template.rpartition("_")[0] in TEMPLATES  # qwen3_5 is no misspelling of qwen3
    close = None if newer else nearest(recipe.template, TEMPLATES)
    fix = "take it out to use the tokenizer's own chat template"
    yield Clash(
        "template",
        f"is {shown(recipe.template)}, which is no template known here",
        f"use {close}, or {fix}" if close else fix,
        warning=close is None,
    )


@rule
def a_template_without_thinking_is_said_by_its_switch(recipe: Recipe) -> Iterator[Clash]:
    if (recipe.template or "").endswith("_nothink") and "enable_thinking" not in recipe.model_fields_set:
        problem = "asks for no thinking, and the tokenizer's own template is used"
        yield Clash("template", problem, "add enable_thinking: false", warning=True)
