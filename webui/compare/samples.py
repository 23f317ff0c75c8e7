"""Which problems does one of two voices solve and the other not, and what did each say?"""

from collections import Counter
from collections.abc import Mapping, Sequence

from grpoctl.comparison.before_after import is_number
from grpoctl.comparison.runs import Comparison
from webui.compare.questions import around, question_of
from webui.compare.voices import Sample, Voice, pairs_of, two_of, voices
from webui.fields import field, select
from webui.html import Child, Markup, h
from webui.page import Page

_A_PAGE = 10
_LONG = 600  # characters; what is longer is folded
_FOUND_IN = ("prompt", "answer", "completion")

_Pair = tuple[Sample, Sample]


def view(page: Page, found: Comparison, modes: Sequence[str]) -> Markup | None:
    """Nothing where no evaluation has two voices."""
    say, every = page.say, voices(found, modes)
    if not every:
        return None
    a, b = two_of(page, every)
    names = {value: voice.label(page) for value, voice in every.items()}
    pairs = pairs_of(a, b)
    filters = _filters(page, pairs)
    which = page.text("cmp_which") if page.text("cmp_which") in filters else "b"
    search = page.text("cmp_search")
    shown = [pair for pair in pairs if which in ("all", _kind(pair)) and _has(search.strip().lower(), pair)]
    template = around([sample["prompt"] for sample, _ in pairs])
    list_of = "|".join((a.value, b.value, which, search))
    return h(
        "section",
        h("h3", say("Problem by problem")),
        h(
            "div",
            select("A", "cmp_a", names, a.value),
            select("B", "cmp_b", names, b.value),
            select(say("Which"), "cmp_which", filters, which),
            field(say("Search"), "cmp_search", search, type="search"),
            class_="grid",
        ),
        *(_problems(page, shown, (a, b), list_of, template) if pairs else [_nothing(page, a, b)]),
        id="compare-samples",
    )


def _nothing(page: Page, a: Voice, b: Voice) -> Markup:
    say = page.say
    silent = next((voice for voice in (a, b) if not voice.samples), None)
    if silent is not None:
        return h("p", say("No answers of {name} are kept.", name=silent.label(page)), class_="note")
    return h("p", say("These two were not asked the same problems."), class_="note")


def _filters(page: Page, pairs: Sequence[_Pair]) -> dict[str, str]:
    say, counts = page.say, Counter(map(_kind, pairs))
    words = {
        "b": say("only B is right"),
        "a": say("only A is right"),
        "none": say("both are wrong"),
        "both": say("both are right"),
    }
    all_ = {"all": f"{say('all')} ({len(pairs)})"}
    return {which: f"{said} ({counts[which]})" for which, said in words.items()} | all_


def _kind(pair: _Pair) -> str:
    a, b = (sample.get("right") is True for sample in pair)
    return ("both" if b else "a") if a else ("b" if b else "none")


def _has(search: str, pair: _Pair) -> bool:
    return not search or any(search in str(sample.get(name, "")).lower() for sample in pair for name in _FOUND_IN)


def _problems(
    page: Page, shown: Sequence[_Pair], two: tuple[Voice, Voice], list_of: str, template: tuple[str, str]
) -> list[Markup]:
    """A page of them. Its number belongs to this very list: another one begins at its first page."""
    say = page.say
    if not shown:
        return [h("p", say("No problem is like that."), class_="note")]
    last = (len(shown) - 1) // _A_PAGE
    at = max(0, min(int(page.number("cmp_page", 0)), last)) if page.text("cmp_page_of") == list_of else 0
    part = shown[at * _A_PAGE : (at + 1) * _A_PAGE]
    cards = [_problem(page, pair, two, question_of(pair[0]["prompt"], template)) for pair in part]
    return [h("div", *cards, class_="stack problems"), _pager(page, at, len(shown), list_of)]


def _pager(page: Page, at: int, count: int, list_of: str) -> Markup:
    say, end = page.say, min(count, (at + 1) * _A_PAGE)

    def turn(title: str, to: int, possible: bool) -> Markup:
        state = {"cmp_page": to, "cmp_page_of": list_of}
        return h("button", title, type="button", disabled=not possible, data_set=state)

    said = say("{first} to {end} of {n}", first=at * _A_PAGE + 1, end=end, n=count)
    return h(
        "nav",
        turn(say("Back"), at - 1, at > 0),
        h("span", said, class_="quiet", role="status"),
        turn(say("Next"), at + 1, end < count),
        class_="wrap",
        aria_label=say("Pages of problems"),
    )


def _problem(page: Page, pair: _Pair, two: tuple[Voice, Voice], question: str) -> Markup:
    say, sample = page.say, pair[0]
    return h(
        "article",
        h("div", _folded(page, question), class_="question"),
        h("small", say("problem {n}", n=sample.get("problem")), " · ", say("gold answer"), " ",
          h("b", str(sample.get("answer", "–"))), class_="quiet"),
        h("div", *[_answer(page, letter, each, voice)
                   for letter, each, voice in zip("AB", pair, two, strict=True)], class_="two"),
        h("details", h("summary", say("the whole prompt")), h("pre", sample["prompt"])),
        class_="problem",
        id=f"problem-{sample.get('problem')}",
    )  # fmt: skip


def _answer(page: Page, letter: str, sample: Sample, voice: Voice) -> Markup:
    say, right = page.say, sample.get("right") is True
    rewards = sample.get("rewards")
    mark = h(
        "span",
        f"✓ {say('right')}" if right else f"✗ {say('wrong')}",
        class_=f"pill {'finished' if right else 'failed'}",
    )
    cut = h("span", say("cut off"), class_="pill stopped") if sample.get("finish_reason") == "length" else None
    return h(
        "div",
        h("div", h("b", letter, title=voice.label(page)), mark, cut, h("span", *_rewards(rewards), class_="each wrap"),
          class_="wrap"),
        h("div", _folded(page, str(sample.get("completion", ""))), class_="said"),
        class_=f"card {'right' if right else 'wrong'}",
    )  # fmt: skip


def _rewards(rewards: object) -> list[Child]:
    if not isinstance(rewards, Mapping):
        return []
    return [h("span", f"{name} ", h("b", f"{value:g}" if is_number(value) else "–")) for name, value in rewards.items()]


def _folded(page: Page, text: str) -> Markup:
    if len(text) <= _LONG:
        return h("span", text)
    rest = h("details", h("summary", page.say("all {n} characters", n=len(text))), h("span", text))
    return h("div", h("span", text[:_LONG], "…"), rest)
