"""What is on the page? A head, and five tabs of islands around the one editor."""

from functools import cache
from pathlib import Path

import gradio as gr
from gradio.i18n import I18nData

from webui import island
from webui.chinese import CHINESE
from webui.html import Markup, h
from webui.words import LANGUAGES, Say

STATIC, VENDOR = Path(__file__).parent / "static", Path(__file__).parent / "vendor"

# By the word that an address has for it.
TABS = {"recipes": "Recipes", "runs": "Runs", "compare": "Compare", "ask": "Ask", "learn": "Learn"}

LOGO = Markup(
    '<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path d="M3 17l6-7 4 4 8-10" fill="none" '
    'stroke="currentColor" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/></svg>'
)


# Until the first island is in its place; Gradio's own styles come seconds later.
_LOADING = """
html { background: #f6f7fb } html.grpo-dark { background: #0b1020 }
html:not(.grpo-ready)::after { position: fixed; top: 42vh; left: 0; right: 0; text-align: center; color: #7c879b;
  font: 15px/1.5 Inter, "Segoe UI", "Noto Sans CJK SC", sans-serif; content: "{en}" }
html:lang(zh):not(.grpo-ready)::after { content: "{zh}" }
"""


def build() -> gr.Blocks:
    """The page. It holds nothing: every part asks for what it shows."""
    page: gr.Blocks
    with gr.Blocks(title="grpoctl", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(_head(), elem_id="head", apply_default_css=False, js_on_load=None)
        with gr.Tabs(elem_id="tabs"):
            for name, title in TABS.items():
                with gr.Tab(_in_both(title), id=name, elem_id=f"tab-{name}"):
                    if name == "recipes":
                        _recipes()
                        continue
                    island.island(name, every_s=1.5)
                    if name == "runs":
                        island.island("run", every_s=1.5)
    return page


def _recipes() -> None:
    """The form and the editor are two views of one text: what is typed in either shows in both."""
    island.island("recipe-bar", every_s=3)
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=340):
            island.island("form")
        with gr.Column(scale=5, min_width=340, elem_classes="side"):
            code = gr.Code(language="yaml", label="YAML", elem_id="yaml", lines=18, max_lines=28, interactive=True)
            gr.HTML(_leaving(), elem_id="leaving", apply_default_css=False, js_on_load=None)
            island.island("findings")
    code.change(None, code, None, js="text => { grpo.typed(text) }")
    writer = gr.HTML(
        html_template="", js_on_load="grpo.editor(trigger);", apply_default_css=False, elem_classes="nothing"
    )
    writer.select(None, None, code, js="() => grpo.state.text")


def _leaving() -> Markup:
    """The editor keeps the Tab key for itself, so that who has no mouse must know the way out."""
    said = _in_each("In the editor Tab indents; Escape, then Tab, leaves it.")
    return h("small", *said, id="leaving-editor", class_="quiet")


def _in_each(english: str) -> list[Markup]:
    return [h("span", say(english), class_=f"only-{say.language}") for say in map(Say, LANGUAGES)]


def _head() -> Markup:
    return h(
        "header",
        h("a", LOGO, h("b", "grpoctl"), href="/", class_="brand"),
        h("span", *_in_each("GRPO from one recipe"), class_="quiet slogan"),
        h(
            "span",
            h(
                "button",
                "◐",
                onclick="grpoSwitchColours()",
                title="light / dark",
                aria_label="Light or dark 明暗",
                type="button",
            ),
            h("button", h("span", "中文", class_="only-en"), h("span", "English", class_="only-zh"),
              onclick="grpoSwitchLanguage()", id="language", type="button"),
            class_="switches",
        ),
        h("div", *_in_each("The server does not answer. What runs goes on, and this page comes back by itself."),
          id="away", role="alert", hidden=True),
        h("div", id="said", role="status", aria_live="polite"),
    )  # fmt: skip


def _in_both(english: str) -> I18nData:
    return i18n()(english)


@cache
def i18n() -> gr.I18n:
    """The titles of the tabs, which Gradio draws itself."""
    chinese = {title: CHINESE[title] for title in TABS.values()}
    return gr.I18n(en={title: title for title in TABS.values()}, **{"zh-CN": chinese})


def head_scripts() -> str:
    """What has to stand first in <head>."""
    scripts = [STATIC / "boot.js", VENDOR / "idiomorph.min.js", VENDOR / "uPlot.iife.min.js", STATIC / "island.js"]
    texts = [path.read_text(encoding="utf-8") for path in [*scripts, *sorted(STATIC.glob("*_*.js"))]]
    loading = _LOADING
    for say in map(Say, LANGUAGES):
        loading = loading.replace(f"{{{say.language}}}", say("grpoctl is loading …"))
    return f"<style>{loading}</style>" + "".join(f"<script>{text}</script>" for text in texts)


def first_script() -> str:
    """What settles language and colours."""
    return (STATIC / "boot.js").read_text(encoding="utf-8")


def own_style() -> str:
    return (STATIC / "page.css").read_text(encoding="utf-8")


def styles() -> list[Path]:
    return [VENDOR / "uPlot.min.css", *sorted(STATIC.glob("*.css"))]
