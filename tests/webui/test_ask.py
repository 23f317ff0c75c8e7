"""The tab Ask: answers as they come, one child for one run, and the bench of the rewards."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_run import make_run, step, tell, this_process

from grpoctl import shipped
from grpoctl.errors import InputError
from grpoctl.recipe.load import load_recipe
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.process import start_time
from webui import ask
from webui.ask import child as children
from webui.ask import room, scores
from webui.ask.child import Child
from webui.ask.exchange import Exchange
from webui.ask.room import Room
from webui.page import Answer, Page
from webui.words import Say

TESTS = Path(__file__).parents[1]
# `grpoctl` with models that answer at once; asked `slowly`, a word a second.
FAKE = (
    sys.executable,
    "-c",
    f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
    "from fake_engine import FAKE; from grpoctl import cli; from grpoctl.engines import base\n"
    "base.ENGINES['trl'] = FAKE; sys.exit(cli.main(sys.argv[1:]))",
)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A server's room of this test's own, in a folder of its own, with nobody left in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(TESTS.parent))
    monkeypatch.setattr(children, "PROGRAM", FAKE)
    started: list[Child] = []

    def start(words: Sequence[str]) -> Child:
        started.append(Child(words))
        return started[-1]

    here = Room(start)
    monkeypatch.setattr(room, "ROOM", here)
    yield
    for each in started:
        each.end()
    until(lambda: all(start_time(each.process_id) is None for each in started))


def until(true: Callable[[], object], timeout_s: float = 20) -> None:
    latest = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < latest
        time.sleep(0.02)


def trained(name: str, *told: Any, process: Any = None, **recipe: Any) -> RunDirectory:
    """A run of the quickstart that came to its end, with a model."""
    how = {"process": process} if process else {}
    run = make_run(Path("saves") / name, step(3), *(told or ((ev.RUN_FINISHED, {"step": 3}),)), **how)
    run.resolved.write_text(json.dumps({**load_recipe("quickstart").model_dump(mode="json"), **recipe}))
    for file in shipped.MODELS["tiny"].iterdir():
        shutil.copy(file, run.path)
    return run


def page(**state: Any) -> Page:
    return Page(state, Say("en"))


def asked(question: str, **state: Any) -> dict[str, Any]:
    """The page's state when that was asked."""
    state = {**state, "ask_text": question}
    return {**state, **ask.ACTS["ask-question"](page(**state), {}).state}


def shown(state: dict[str, Any]) -> str:
    return str(ask.VIEWS["ask"](page(**state)))


def exchange(question: str = "1?", run: str = "a") -> Exchange:
    return Exchange("x" * 32, question, "greedy", None, run)


# --- questions


def test_without_a_run_that_has_a_model_there_is_nobody_to_ask() -> None:
    make_run(Path("saves/empty"), step(1))
    assert "No run that has ended has a model yet" in shown({})
    with pytest.raises(InputError, match="has no model to ask"):
        asked("1?")


def test_both_models_answer_and_the_page_is_asked_again_until_they_have() -> None:
    trained("a")
    state = asked("1 + 1?", ask_mode="liberal", ask_seed="7")
    assert 'data-soon="250"' in shown(state)
    until(lambda: "data-soon" not in shown(state))
    html = shown(state)
    assert "a before training" in html and "a at step 3" in html
    assert "the base with seed 7 was asked 1 + 1?." in html
    assert "the trained with seed 7 was asked 1 + 1?." in html


def test_an_answer_is_shown_while_it_comes_and_can_be_stopped_without_losing_the_models() -> None:
    trained("a")
    state = asked("slowly")
    until(lambda: ">the <" in shown(state))  # and the whole takes ten seconds
    child = room.ROOM.child
    assert child is not None
    assert 'data-act="ask-stop"' in shown(state)
    ask.ACTS["ask-stop"](page(**state), {})
    until(lambda: "Stopped." in shown(state))
    assert 'data-act="ask-stop"' not in shown(state)
    state = asked("2?", **state)
    until(lambda: "the trained with seed 0 was asked 2?." in shown(state))
    assert room.ROOM.child is child
    assert ask.ACTS["ask-stop"](page(**state), {}).said == "It has ended already."
    ask.ACTS["ask-forget"](page(**state), {})
    assert "was asked" not in shown(state)


def test_a_page_sees_its_own_questions_alone() -> None:
    trained("a")
    state = asked("mine")
    other = asked("yours")
    assert state["ask_id"] != other["ask_id"]
    assert "yours" not in shown({**state, "ask_text": ""})


def test_another_run_takes_the_place_of_the_first() -> None:
    trained("a")
    trained("b")
    state = asked("slowly", ask_run="a")
    until(lambda: ">the <" in shown(state))
    first = room.ROOM.child
    assert first is not None
    other = asked("1?", ask_run="b")
    assert "Another run was asked meanwhile." in shown(state)
    until(lambda: "b at step 3" in shown(other) and "data-soon" not in shown(other))
    until(lambda: start_time(first.process_id) is None)


def test_what_was_trained_on_meanwhile_is_loaded_anew() -> None:
    run = trained("a")
    until_answered(asked("1?"))
    first = room.ROOM.child
    tell(run, step(9), (ev.RUN_FINISHED, {"step": 9}))
    until_answered(asked("1?"))
    assert first is not None and first.ended
    assert room.ROOM.child is not first


def until_answered(state: dict[str, Any]) -> None:
    until(lambda: "data-soon" not in shown(state))


def test_a_run_that_goes_on_keeps_its_memory_to_itself() -> None:
    trained("a", (ev.RUN_STARTED, {"max_steps": 9}), process=this_process())
    assert "No run that has ended has a model yet" in shown({"ask_run": "a"})
    with pytest.raises(InputError, match="choose a run that has ended"):
        asked("1?", ask_run="a")


def test_a_run_of_pictures_is_asked_by_the_command_line() -> None:
    trained("digits", hidden_sizes=[8], engine="mlp", reward_funcs=[])
    html = shown({})
    assert "grpoctl ask digits digit.png" in html
    assert "ask-question" not in html
    with pytest.raises(InputError, match="reads pictures"):
        asked("/etc/passwd")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"ask_text": " "}, "Question: is empty"),
        ({"ask_text": "x" * 20_001}, "Question: is longer than 20000 characters"),
        ({"ask_seed": "-1"}, "Seed: is -1"),
        ({"ask_seed": "4294967296"}, "Seed: is 4294967296"),
        ({"ask_seed": "²"}, "Seed: is ²"),
        ({"ask_run": "../a"}, "../a: has no model to ask"),
        ({"ask_run": "gone"}, "gone: has no model to ask"),
    ],
)
def test_what_cannot_be_asked_is_said(state: dict[str, Any], said: str) -> None:
    trained("a")
    assert shown(state)
    with pytest.raises(InputError, match=said):
        ask.ACTS["ask-question"](page(**{"ask_text": "1?", **state}), {})


def test_no_text_becomes_code() -> None:
    trained(HOSTILE.replace("/", "|"))
    state = asked(HOSTILE)
    until_answered(state)
    html = shown({**state, "bench_text": HOSTILE, "bench_gold": HOSTILE})
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_state_that_holds_anything_breaks_nothing() -> None:
    trained("a")
    for wrong in (None, 1, [], {}, "x", [1], {"completions": [1, {"rewards": 3}], "totals": 2, "faults": 1}):
        keys = ("ask_run", "ask_mode", "ask_seed", "ask_text", "ask_id", "ask_base", "bench_run", "bench_text",
                "bench_rewards", "bench_found", "bench_gold")  # fmt: skip
        assert shown(dict.fromkeys(keys, wrong))


# --- the child


def test_a_model_that_cannot_be_loaded_says_why() -> None:
    run = trained("a")
    (run.path / "recipe.resolved.json").write_text(
        json.dumps({**load_recipe("quickstart").model_dump(mode="json"), "model_name_or_path": "not/here"})
    )
    state = asked("1?")
    until(lambda: "data-soon" not in shown(state))
    assert "began with not/here, which is not here" in shown(state)
    assert room.ROOM.child is None


def test_a_child_that_dies_says_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "PROGRAM", (sys.executable, "-c", "raise SystemExit('out of memory')"))
    child, asks = Child(["ask"]), exchange()
    child.ask(asks)
    until(lambda: asks.over)
    assert asks.error == "out of memory"
    later = exchange()
    child.ask(later)
    assert later.error == "out of memory"


def test_a_child_is_ended_when_nobody_asks() -> None:
    trained("a")
    child, asks = Child(["ask", "a", "--lines"], idle_s=0.2), exchange()
    child.ask(asks)
    until(lambda: asks.over)
    until(lambda: child.ended and start_time(child.process_id) is None)
    assert asks.answers["a at step 3"].text == "the trained with seed 0 was asked 1?."


def test_questions_wait_for_one_another_and_not_for_too_many() -> None:
    trained("a")
    child = Child(["ask", "a", "--lines"])
    first, *others = [exchange("slowly"), *(exchange(f"{number}?") for number in range(7))]
    for each in (first, *others):
        child.ask(each)
    with pytest.raises(InputError, match="too many questions before it"):
        child.ask(exchange())
    child.stop(others[0])  # which was not asked yet
    assert others[0].over and others[0].stopped
    until(lambda: first.begun)
    until(lambda: first.answers)
    child.stop(first)
    until(lambda: all(each.over for each in others))
    assert [each.answers["a at step 3"].text.split()[-1] for each in others[1:]] == [f"{n}?." for n in range(1, 7)]
    child.end()


def test_a_model_that_does_not_stop_is_ended_by_the_second_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = (
        "import signal, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        'print(\'{"models": ["m"]}\', flush=True); sys.stdin.readline(); time.sleep(60)'
    )
    monkeypatch.setattr(children, "PROGRAM", (sys.executable, "-c", deaf))
    child, asks = Child([]), exchange()
    child.ask(asks)
    until(lambda: asks.begun)
    child.stop(asks)
    assert not asks.over
    child.stop(asks)
    until(lambda: asks.over and child.ended)


def test_a_child_does_not_outlive_its_server() -> None:
    trained("a")
    server = (
        f"import time; from webui.ask import child; child.PROGRAM = {FAKE!r}\n"
        "from webui.ask.exchange import Exchange\n"
        "one, asks = child.Child(['ask', 'a', '--lines']), Exchange('x', 'slowly', 'greedy', None, 'a')\n"
        "one.ask(asks)\n"
        "while not asks.answers: time.sleep(0.02)\n"
        "print(one.process_id, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert start_time(pid) is not None
        process.kill()
    until(lambda: start_time(pid) is None)


def test_only_so_much_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_KEPT", 5)

    class Nobody:
        ended = False

        def ask(self, exchange: Exchange) -> None:
            exchange.end()

    here = Room(lambda words: Nobody())  # type: ignore[arg-type, return-value]
    for number in range(8):
        here.ask(Exchange(str(number % 2), "1?", "greedy", None, "a"), [], "a", "")
    assert [len(here.exchanges_of(asker)) for asker in ("0", "1")] == [2, 3]


# --- the bench


def scored(text: str, **state: Any) -> tuple[dict[str, Any], str]:
    state = {"bench_text": text, "bench_gold": "141", **state}
    answer: Answer = ask.ACTS["ask-score"](page(**state), {})
    return answer.state["bench_found"], shown({**state, **answer.state})


def test_each_completion_is_scored_and_what_was_read_is_said() -> None:
    text = "<think>1</think><answer>141</answer>\n---\n<answer>135</answer>\n--- \nso 141.\n---\nno"
    found, html = scored(text, bench_rewards=["accuracy", "format", "check_answer"])
    assert [each["rewards"] for each in found["completions"]] == [
        {"accuracy": 1.0, "format": 1.0, "check_answer": 3.0},
        {"accuracy": 0.0, "format": 0.0, "check_answer": 0.5},
        {"accuracy": 0.0, "format": 0.0, "check_answer": -1.0},
        {"accuracy": 0.0, "format": 0.0, "check_answer": -1.0},
    ]
    assert found["totals"] == [5.0, 0.5, -1.0, -1.0]
    for said in (
        "✓ right",
        "≈ within 10%",
        "right, but not in its tag",
        "✗ wrong",
        "✗ &lt;think&gt;",
        "none in its tag",
    ):
        assert said in html
    assert "Something was changed since" not in html


def test_scores_of_something_else_say_so() -> None:
    found, _ = scored("<answer>141</answer>")
    assert "Something was changed since" in shown({"bench_text": "<answer>140</answer>", "bench_found": found})


def test_without_a_gold_answer_what_reads_one_is_left_out() -> None:
    found, html = scored("<think>1</think><answer>2</answer>", bench_gold="")
    assert found["completions"][0]["rewards"] == {"format": 1.0}
    assert "accuracy was left out: it reads answer." in html


def test_tags_are_those_that_were_typed() -> None:
    found, _ = scored("<r>1</r><a>141</a>", bench_reasoning="r", bench_answer="a")
    assert found["totals"] == [2.0]
    with pytest.raises(InputError, match="can be no tag's name"):
        scored("x", bench_answer="<b>")


def test_a_runs_rewards_weigh_as_they_do_there_and_tokens_are_counted() -> None:
    rewards = [{"use": "accuracy", "weight": 2.0}, {"use": "length", "args": {"max_tokens": 300}}]
    trained("a", reward_funcs=rewards)
    found, html = scored("<answer>141</answer>", bench_run="a")
    assert found["completions"][0]["rewards"] == {"accuracy": 1.0, "length": 1.0}
    assert found["totals"] == [3.0]
    assert found["completions"][0]["tokens"] == 5  # <answer> 1 4 1 </answer>
    assert "2 × accuracy, 1 × length" in html


def test_no_code_of_a_recipe_is_run_from_the_page(tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    own.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef brevity(completions):\n    return [1.0]\n")
    uses = [{"use": f"{own}:brevity"}, {"use": "code"}, {"use": "compiles"}, {"use": "format"}]
    trained("a", reward_funcs=uses)
    found, html = scored("<answer>141</answer>", bench_run="a")
    assert found["by_hand"] == [f"{own}:brevity", "code", "compiles"]
    assert list(found["completions"][0]["rewards"]) == ["format"]
    assert not (tmp_path / "ran").exists()
    assert "grpoctl reward test saves/a/recipe.yaml --file completions.jsonl" in html
    assert not {"code", "compiles", "model", "server"} & set(page_chips())


def page_chips() -> list[str]:
    from webui.ask.scoring import offered

    return list(offered())


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"bench_text": "\n---\n"}, "Completions: is empty"),
        ({"bench_text": "\n---\n".join("x" * 17)}, "paste 16 at most"),
        ({"bench_text": "x" * 40_001}, "is too much at once"),
        ({"bench_rewards": ["code", "nope"]}, "Rewards: none is chosen"),
        ({"bench_run": "gone"}, "gone: is not here any more"),
    ],
)
def test_what_cannot_be_scored_is_said(state: dict[str, Any], said: str) -> None:
    assert shown(state)
    with pytest.raises(InputError, match=said):
        ask.ACTS["ask-score"](page(**{"bench_text": "x", **state}), {})


def test_a_hostile_completion_is_scored_in_no_time() -> None:
    began = time.monotonic()
    for text in ("<answer>" * 4000, "\\boxed{" * 5000, "9" * 39_000, "((((" * 9000):
        scored(text, bench_rewards=page_chips())
    assert time.monotonic() - began < 20


def test_scores_show_nothing_where_there_are_none() -> None:
    assert scores.view(page(), "x") is None


def test_the_server_itself_loads_no_model() -> None:
    code = (
        "import sys; from webui import ask; from webui.page import Page; from webui.words import Say\n"
        "state = {'bench_text': '<answer>1</answer>', 'bench_gold': '1'}\n"
        "ask.VIEWS['ask'](Page(state, Say('en'))); ask.ACTS['ask-score'](Page(state, Say('en')), {})\n"
        "sys.exit(bool({'torch', 'jax', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ}).returncode == 0
