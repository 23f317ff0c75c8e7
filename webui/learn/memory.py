"""GRPO beside PPO: what a chosen model takes by part, with a critic and without."""

from functools import lru_cache

from grpoctl.errors import GrpoctlError
from grpoctl.estimate import Estimate, estimate, fits_on
from grpoctl.estimate.devices import GIB, named_device
from grpoctl.estimate.memory import PARTS
from grpoctl.recipe.load import read_recipe_text
from webui.fields import field, select
from webui.html import Markup, h
from webui.page import Page
from webui.recipes.choices import model_names

_HOW = {
    "lora": ("LoRA", "finetuning_type: lora\nlora_rank: 16\nbf16: true\n"),
    "qlora": ("QLoRA (4 bits)", "finetuning_type: lora\nlora_rank: 16\nbf16: true\nquantization_bit: 4\n"),
    "full": ("every weight", "finetuning_type: full\nbf16: true\n"),
}
_USUAL_MODEL = "Qwen/Qwen3-8B"
_PROMPT_TOKENS = 256
# By the field: what is usual, the least and the most.
_LIMITS = {"learn_group": (8, 2, 128), "learn_length": (512, 16, 32768)}
Parts = list[tuple[str, float]]
_DEVICE = "h100"


def view(page: Page) -> Markup:
    say = page.say
    models = [name for name in model_names() if "/" in name]
    model = page.text("learn_model") if page.text("learn_model") in models else _usual(models)
    how = page.text("learn_how") if page.text("learn_how") in _HOW else "lora"
    group, length = (_within(page, key) for key in _LIMITS)
    try:
        found, devices = _estimate(model, how, group, length)
        shown: list[Markup] = [_bars(page, found), _where(page, devices)]
    except GrpoctlError as error:
        shown = [h("p", str(error), class_="note warn")]
    return h(
        "section",
        h("h2", say("GRPO beside PPO: the memory")),
        h("p", say("PPO trains a second network, the critic, to tell how good an answer is. GRPO asks the siblings."),
          class_="quiet"),
        h("div",
          select(say("Model"), "learn_model", {name: name for name in models}, model),
          select(say("Trained"), "learn_how", {key: say(title) for key, (title, _) in _HOW.items()}, how),
          field(say("Answers, G"), "learn_group", str(group), type="number"),
          field(say("Tokens an answer"), "learn_length", str(length), type="number"),
          class_="grid"),
        *[_told(page, key, taken) for key, taken in (("learn_group", group), ("learn_length", length))],
        *shown,
        id="learn-memory",
    )  # fmt: skip


def _within(page: Page, key: str) -> int:
    usual, least, most = _LIMITS[key]
    return int(max(least, min(most, page.number(key, usual))))


def _told(page: Page, key: str, taken: int) -> Markup | None:
    """What was made of a value that is not reckoned with."""
    typed = page.text(key).strip()
    if not typed or typed == str(taken):
        return None
    _, least, most = _LIMITS[key]
    said = page.say("{typed} is no whole number from {least} to {most}: {taken} is reckoned with.",
                    typed=typed[:20], least=least, most=most, taken=taken)  # fmt: skip
    return h("p", said, class_="note warn", role="status")


def _usual(models: list[str]) -> str:
    return _USUAL_MODEL if _USUAL_MODEL in models else models[0]


@lru_cache(maxsize=64)
def _estimate(model: str, how: str, group: int, length: int) -> tuple[Estimate, tuple[str, ...]]:
    text = (
        f"model_name_or_path: {model}\nnum_generations: {group}\nmax_completion_length: {length}\n"
        f"dataset: x\nreward_funcs: accuracy\nengine: trl\n{_HOW[how][1]}"
    )
    reading = read_recipe_text(text, "YAML")
    assert reading.recipe is not None
    recipe = reading.recipe.resolved()
    return estimate(recipe, named_device(_DEVICE), _PROMPT_TOKENS), tuple(fits_on(recipe, _PROMPT_TOKENS, "gpu"))


def _bars(page: Page, found: Estimate) -> Markup:
    say, memory = page.say, found.memory
    grpo = [(name, memory.parts[name]) for name in PARTS if memory.parts.get(name)]
    critic = max(0.0, found.ppo_total_gib * GIB - memory.total)
    rows = [("GRPO", grpo, memory.total), ("PPO", [*grpo, ("critic", critic)], memory.total + critic)]
    whole = max(total for _, _, total in rows)
    colours = {name: place % 7 for place, (name, _) in enumerate(grpo)} | {"critic": 7}
    lines = [_line(title, parts, total, whole, colours) for title, parts, total in rows]
    legend = [
        h("span", h("i", class_=f"part-{colours[name]}"), say(name), " ", h("b", f"{size / GIB:.1f} GiB"))
        for name, size in rows[1][1]
    ]
    return h("div", *lines, h("div", *legend, class_="legend"), class_="stack")


def _line(title: str, parts: Parts, total: float, whole: float, colours: dict[str, int]) -> Markup:
    """A bar of parts, and their sum."""
    said = ", ".join(f"{name} {size / GIB:.1f} GiB" for name, size in parts)
    pieces = [
        h(
            "i",
            style=f"width:{100 * size / whole:.2f}%",
            class_=f"part-{colours[name]}",
            title=f"{name} {size / GIB:.1f}",
        )
        for name, size in parts
    ]
    bar = h("div", *pieces, class_="stacked", role="img", aria_label=f"{title}: {said}")
    return h("div", h("b", title), bar, h("span", f"{total / GIB:.1f} GiB", class_="number"), class_="beside")


def _where(page: Page, devices: tuple[str, ...]) -> Markup:
    names = ", ".join(devices) or page.say("none of those that are known")
    return h("p", page.say("One of these holds the GRPO run: {names}.", names=names), class_="quiet")
