"""The tab Compare: runs side by side, problem by problem, and evaluations that are started here."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_evals import evaluated, report
from fake_run import make_run, step, tell

from grpoctl.comparison.runs import compare_runs
from grpoctl.errors import InputError
from grpoctl.recipe.load import load_recipe
from grpoctl.run.directory import RunDirectory
from grpoctl.run.evals import EvalFiles
from grpoctl.run.events import EVAL
from grpoctl.run.process import start_time
from webui import compare, processes
from webui.compare import evals, found, watched
from webui.compare.questions import around, question_of
from webui.page import Page
from webui.processes import Started
from webui.words import Say

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(found, "_PATIENCE_S", 20)


def a_run(name: str, right: int | None = None, n: int = 40, mode: str = "greedy", **recipe: Any) -> RunDirectory:
    """A run that solved a quarter of n problems before training, and so many after it."""
    run = make_run(Path("saves") / name, step(3))
    run.resolved.write_text(json.dumps({**load_recipe("quickstart").model_dump(mode="json"), **recipe}))
    if right is not None:
        evaluated(run, 0, [number < n // 4 for number in range(n)], mode)
        evaluated(run, 3, [number < right for number in range(n)], mode)
    return run


def answered(run: RunDirectory, stem: str, samples: Sequence[dict[str, Any]]) -> None:
    """The samples of an evaluation that is there already, with what was said."""
    files = EvalFiles(run.evals, stem)
    kept = files.report.read_text()
    files.begin({"mode": "greedy"}, [])
    files.add([{"sample": 0, "problem": number, **each} for number, each in enumerate(samples)])
    files.report.write_text(kept)


def page(language: str = "en", **state: Any) -> Page:
    return Page(state, Say(language))


def shown(**state: Any) -> str:
    return str(compare.VIEWS["compare"](page(**state)))


# --- which runs


def test_without_runs_one_can_be_started() -> None:
    assert "There is no run to compare yet." in shown()


def test_the_newest_runs_that_were_evaluated_are_compared_at_first() -> None:
    for age, name in enumerate(["new", "plain", "second", "old"]):
        run = a_run(name, None if name == "plain" else 30)
        os.utime(run.manifest, (1e9 - age, 1e9 - age))
    html = shown()
    boxes = {name: f'value="{name}" checked' in html for name in ("new", "plain", "second", "old")}
    assert boxes == {"new": True, "plain": False, "second": True, "old": False}
    assert html.count(">evaluated<") == 3


def test_what_was_chosen_holds_though_it_is_nothing() -> None:
    a_run("a", 30)
    assert "Choose runs above" in shown(cmp_runs=[])


def test_eight_runs_are_compared_and_no_more() -> None:
    names = [f"r{number}" for number in range(10)]
    for name in names:
        a_run(name, 30, n=4)
    assert "At most 8 runs are compared; 2 are left out." in shown(cmp_runs=names)


def test_old_runs_are_offered_when_asked_for_or_chosen() -> None:
    for number in range(20):
        os.utime(a_run(f"r{number}").manifest, (1e9 - number, 1e9 - number))
    assert 'value="r19"' not in shown(cmp_runs=["r0"]).partition("compare-evals")[0]
    assert "Show 4 more" in shown(cmp_runs=["r0"])
    assert 'value="r19" checked' in shown(cmp_runs=["r19"])
    assert 'value="r18"' in shown(cmp_runs=["r0"], cmp_all=True)


# --- how well


def test_the_table_and_the_picture_hold_each_accuracy_its_interval_and_the_change() -> None:
    a_run("a", 36)
    html = shown()
    # 10 and 36 of 40: Wilson's intervals, and McNemar's test of 26 problems that were won and none lost.
    for said in (
        "25.0%",
        "14.2 … 40.2",
        "90.0%",
        "76.9 … 96.0",
        "+65.0",
        "p &lt; 0.0001",
        ">better<",
        "100.0% → 100.0%",
    ):
        assert said in html
    assert "<title>a: before training 25.0% (14.2 – 40.2%), after training 90.0% (76.9 – 96.0%)</title>" in html
    assert 'width="90.00%"' in html


def test_a_change_that_may_be_chance_says_so() -> None:
    a_run("a", 11)
    assert ">may be chance<" in shown()


def test_only_the_usual_modes_are_shown_until_others_are_chosen() -> None:
    run = a_run("a", 30)
    evaluated(run, 3, [True, False], "greedy", apart="limit2")
    assert 'value="greedy-limit2"' in shown()
    assert "Accuracy in mode greedy-limit2" not in shown()
    html = shown(cmp_modes=["greedy-limit2", "nope"])
    assert "Accuracy in mode greedy-limit2" in html and "Accuracy in mode greedy<" not in html


def test_which_runs_differ_is_said_in_words() -> None:
    a_run("a", 36)
    a_run("b", 20)
    a_run("c", 21)
    html = shown(cmp_runs=["a", "b", "c"])
    assert "greedy: a is better than b by 40.0 points on the same 40 problems (p &lt; 0.0001, 95%" in html
    assert "2.5 points on the same 40 problems, which may be chance" in html
    assert "1 that may be chance" in html


def test_runs_that_were_asked_different_problems_are_not_tested() -> None:
    a_run("a", 36)
    a_run("b", 3, n=4)
    assert "No two of these runs were asked the same problems" in shown(cmp_runs=["a", "b"])


def test_what_a_test_between_runs_lacks_is_said() -> None:
    a_run("a", 36)
    a_run("b")
    assert "One run alone is tested against nothing" in shown(cmp_runs=["a"])
    html = shown(cmp_runs=["a", "b"])
    assert "Nothing can be tested: b was not evaluated in these modes" in html and "significant" not in html


def test_of_digits_no_form_and_no_length_is_shown() -> None:
    a_run("d", 36, hidden_sizes=[8])
    html = shown(cmp_runs=["d"])
    assert "Within 10%" not in html and ">Tokens<" not in html and "90.0%" in html
    a_run("a", 36)
    row = shown(cmp_runs=["a", "d"]).partition('<bdi>d</bdi></th><td class="number">')[2].partition("</tr>")[0]
    assert row.count("–") == 4  # beside a run of texts they are there, and empty


def test_recipes_differ_in_these_keys() -> None:
    a_run("a", 30, seed=1, learning_rate=0.01)
    a_run("b", 30, seed=2, learning_rate=0.01)
    table = shown(cmp_runs=["a", "b"]).partition('id="compare-recipes"')[2].partition("</table>")[0]
    assert ">seed<" in table and "learning_rate" not in table


def test_runs_of_one_recipe_are_summed_up_over_their_seeds() -> None:
    a_run("a", 36, seed=1)
    a_run("b", 34, seed=2)
    assert "greedy: one recipe under 2 seeds: 87.5% on average, from 85.0% to 90.0%" in shown(cmp_runs=["a", "b"])


def test_what_was_compared_is_kept_until_an_evaluation_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run("a", 30)
    counted: list[int] = []

    def count(*given: Any, **how: Any) -> Any:
        counted.append(1)
        return compare_runs(*given, **how)

    monkeypatch.setattr(found, "compare_runs", count)
    shown()
    tell(run, step(4))
    shown()
    assert len(counted) == 1
    evaluated(run, 4, [True] * 40)
    assert "100.0%" in shown()
    assert len(counted) == 2


def test_a_long_comparison_is_waited_for_by_the_page_and_not_by_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    a_run("a", 30)
    monkeypatch.setattr(found, "_PATIENCE_S", 0)

    def slowly(*given: Any, **how: Any) -> Any:
        time.sleep(0.2)
        return compare_runs(*given, **how)

    monkeypatch.setattr(found, "compare_runs", slowly)
    assert "Being compared …" in shown() and 'data-soon="500"' in shown()
    monkeypatch.setattr(found, "_PATIENCE_S", 20)
    assert "Accuracy in mode greedy" in shown()


# --- what is damaged


def test_a_run_in_any_condition_leaves_the_others_shown() -> None:
    good = a_run("good", 30)
    assert good.evals.is_dir()
    with a_run("half", 30).events.open("a") as stream:
        stream.write('{"event": "eval", "mode": "gre')
    (a_run("gone", 30).path / "manifest.json").unlink()
    begun = a_run("begun")
    EvalFiles(begun.evals, "greedy-step-000003").begin({"mode": "greedy", "n": 500}, [])
    odd = {**report(3, 1, 2, "<b>"), "accuracy": "high", "accuracy_ci": ["x"], "n": None, "dataset": HOSTILE}
    tell(a_run("odd"), (EVAL, odd))
    a_run("bare").resolved.unlink()
    torn = a_run("torn", 30)
    for file in torn.evals.iterdir():
        file.write_bytes(file.read_bytes()[:100])
    names = ["good", "half", "gone", "begun", "odd", "bare", "torn", "never"]
    html = shown(cmp_runs=names, cmp_modes=["greedy", "<b>"])
    assert "75.0%" in html
    assert HOSTILE not in html and "<b>: " not in html
    assert "not evaluated in this mode" in html


def test_a_state_that_holds_anything_breaks_nothing() -> None:
    a_run("a", 30)
    keys = ("cmp_runs", "cmp_modes", "cmp_a", "cmp_b", "cmp_which", "cmp_search", "cmp_page", "cmp_page_of",
            "eval_run", "eval_limit", "eval_k", "eval_modes", "eval_base")  # fmt: skip
    wrong: Any
    for wrong in (None, -1, 1e300, [], {}, "x", [1, {}], True):
        assert shown(**dict.fromkeys(keys, wrong))


# --- problem by problem


def two_answers() -> None:
    """Six problems: the first two only solved after training, then one only before, one by both and two by neither."""
    run = a_run("a", 30, n=6)
    asked = [f"<|user|>\nhow many {number}?<|end|>\n" for number in range(6)]
    for stem, rights in (("greedy-step-000000", "001100"), ("greedy-step-000003", "110100")):
        answered(run, stem, [
            {"prompt": prompt, "answer": str(number), "right": right == "1", "completion": f"{stem[-1]} says {HOSTILE}",
             "rewards": {"accuracy": float(right), "length": None}}
            for number, (prompt, right) in enumerate(zip(asked, rights, strict=True))
        ])  # fmt: skip


def problems(**state: Any) -> list[int]:
    html = shown(**state)
    return [number for number in range(60) if f'id="problem-{number}"' in html]


def test_problems_are_those_that_one_solves_and_the_other_does_not() -> None:
    two_answers()
    assert problems() == [0, 1]  # what training brought
    which = {name: problems(cmp_which=name) for name in ("a", "b", "none", "both", "all", "nope")}
    assert which == {"a": [2], "b": [0, 1], "none": [4, 5], "both": [3], "all": [*range(6)], "nope": [0, 1]}
    assert "only B is right (2)" in shown() and "all (6)" in shown()


def test_a_problem_has_its_question_the_gold_answer_and_what_each_said() -> None:
    two_answers()
    html = shown(cmp_which="a")
    assert '<div class="question"><span>how many 2?</span></div>' in html
    assert "gold answer <b>2</b>" in html
    assert "0 says &lt;img" in html and "3 says &lt;img" in html
    assert "accuracy <b>1</b>" in html and "length <b>–</b>" in html
    assert HOSTILE not in html


def test_a_search_looks_at_question_gold_answer_and_both_answers() -> None:
    two_answers()
    assert problems(cmp_which="all", cmp_search="MANY 4") == [4]
    assert problems(cmp_which="all", cmp_search="3 says") == [*range(6)]
    assert "No problem is like that." in shown(cmp_search="nothing like it")


def test_another_list_begins_at_its_first_page() -> None:
    a_run("a", 30)
    first = problems(cmp_which="none")
    assert first == [*range(30, 40)]
    assert problems(cmp_which="b") == [*range(10, 20)]
    of = "|".join(("greedy|base|a", "greedy|trained|a", "b", ""))
    assert problems(cmp_which="b", cmp_page=1, cmp_page_of=of) == [*range(20, 30)]
    assert problems(cmp_which="b", cmp_page=99, cmp_page_of=of) == [*range(20, 30)]
    assert problems(cmp_which="none", cmp_page=1, cmp_page_of=of) == first


def test_any_two_voices_can_be_set_side_by_side() -> None:
    a_run("a", 30)
    a_run("b", 20)
    chosen = {"cmp_runs": ["a", "b"], "cmp_a": "greedy|trained|b", "cmp_b": "greedy|trained|a"}
    assert problems(**chosen) == [*range(20, 30)]
    a_run("c", 2, n=4)
    evaluated(RunDirectory(Path("saves/c")), 3, [True], problems=[("other?", "1")])
    html = shown(cmp_runs=["a", "c"], cmp_a="greedy|trained|a", cmp_b="greedy|trained|c")
    assert "These two were not asked the same problems." in html


def test_answers_that_were_taken_away_are_said_to_be_gone() -> None:
    run = a_run("a", 30)
    (run.evals / "greedy-step-000003.jsonl").unlink()
    assert "No answers of a · after training · greedy are kept." in shown()


def test_a_question_is_what_differs_between_prompts() -> None:
    prompts = ["<s>sys\nuser: How many?</s>\nA:", "<s>sys\nuser: How often?</s>\nA:"]
    assert [question_of(each, around(prompts)) for each in prompts] == ["user: How many?", "user: How often?"]
    assert question_of("one", around(["one", "one"])) == "one"
    assert question_of("<a>", around(["<a>", "<a>\n<a>"])) == "<a>"
    assert around([]) == ("", "")


# --- evaluations


def with_model(run: RunDirectory) -> RunDirectory:
    (run.path / "model.safetensors").touch()
    return run


def test_the_command_is_the_one_that_a_person_would_type() -> None:
    with_model(a_run("a"))
    assert "grpoctl eval a --mode greedy --base<" in shown()
    html = shown(eval_modes=["liberal", "standard", "x"], eval_base=False, eval_limit=" 60 ", eval_k="8")
    assert "grpoctl eval a --mode standard --mode liberal --limit 60 --k 8<" in html


def test_a_run_whose_name_looks_like_an_option_goes_by_its_folder() -> None:
    with_model(a_run("--base"))
    assert "grpoctl eval saves/--base --mode greedy --base<" in shown()


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"eval_limit": "0"}, "Problems: is 0"),
        ({"eval_limit": "ten"}, "Problems: is ten"),
        ({"eval_limit": "٣"}, "Problems: is ٣"),
        ({"eval_k": "1025"}, "Answers to each: is 1025"),
        ({"eval_modes": []}, "Modes: is empty"),
    ],
)
def test_what_cannot_be_evaluated_is_said_and_not_started(
    state: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_model(a_run("a"))
    monkeypatch.setattr(processes, "start", lambda *given, **how: pytest.fail("was started"))
    html = shown(**state)
    assert said in html
    assert re.search(r'id="eval-start" aria-describedby="eval-wrong" disabled', html)
    with pytest.raises(InputError, match=said):
        compare.ACTS["eval-start"](page(**state), {})


def test_without_a_model_nothing_can_be_evaluated() -> None:
    a_run("a")
    assert "No run has a model to evaluate yet" in shown()
    with pytest.raises(InputError, match="has no model"):
        compare.ACTS["eval-start"](page(), {})


def started(run: str, *script: str) -> tuple[Started, "subprocess.Popen[bytes]"]:
    """A command as the page starts one, which does this instead."""
    process = subprocess.Popen([sys.executable, "-c", *script])
    folder = Path("saves/.webui") / str(time.time_ns())
    folder.mkdir(parents=True)
    words = ["eval", run, "--mode", "greedy", "--mode", "liberal", "--base"]
    begun = Started(folder, words, run, process.pid, start_time(process.pid), time.time())
    kept = {"words": words, "about": run, "process_id": begun.process_id, "process_started": begun.process_started}
    (folder / "started.json").write_text(json.dumps({**kept, "time": begun.time}))
    return begun, process


def test_an_evaluation_that_goes_on_shows_how_far_it_is_and_can_be_stopped() -> None:
    run = with_model(a_run("a"))
    each, process = started("a", "import time; time.sleep(60)")
    try:
        assert "Loading the model …" in shown()
        run.evals.mkdir()
        (run.evals / "greedy-step-000003.json").write_text("{}")
        head = {"mode": "liberal", "n": 50, "k": 2, "weights": [["model.safetensors", 1, 2]]}
        files = EvalFiles(run.evals, "liberal-step-000003")
        files.begin(head, [])
        files.add([{"problem": number} for number in range(20)])
        assert "liberal, after training: 20 of 100 answers · 1 of 4 evaluations done" in shown()
        files.add([{"problem": 20}])
        with files.samples.open("a") as stream:
            stream.write('{"half": ')
        assert "liberal, after training: 21 of 100 answers" in shown()
        assert 'aria-valuenow="30"' in shown()  # one of four parts, and a fifth of the next
        with pytest.raises(InputError, match="is being evaluated already"):
            compare.ACTS["eval-start"](page(eval_run="a"), {})
        assert "was asked to end" in compare.ACTS["eval-stop"](page(), {"eval": each.folder.name}).said
        assert process.wait(10) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()
    (each.folder / "exit").write_text(str(-signal.SIGTERM))
    assert ">stopped<" in shown()


def test_no_other_process_is_stopped() -> None:
    each, process = started("a", "import time; time.sleep(60)")
    try:
        kept = json.loads((each.folder / "started.json").read_text())
        for change in ({"process_started": 1}, {"words": ["train", "x"]}):
            (each.folder / "started.json").write_text(json.dumps({**kept, **change}))
            said = compare.ACTS["eval-stop"](page(), {"eval": each.folder.name}).said
            assert said == "It has ended already."
        for name in ("../x", "", None):
            assert compare.ACTS["eval-stop"](page(), {"eval": name}).said == "It has ended already."
        evals._terminate(Started(each.folder, each.words, "a", process.pid, 1, 0.0))
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("code", "status"), [("0", "finished"), ("2", "failed"), ("143", "stopped"), ("-2", "stopped"), (None, "dead")]
)
def test_how_an_evaluation_ended_is_shown(code: str | None, status: str) -> None:
    with_model(a_run("a"))
    each, process = started("a", "")
    process.wait()
    (each.folder / "output.log").write_text(f"loading\na: {HOSTILE}\n\n")
    if code is not None:
        (each.folder / "exit").write_text(code)
    assert watched.status_of(each) == status
    html = shown()
    assert f'class="pill {status}"' in html
    assert HOSTILE not in html
    assert ('<p class="note bad">a: &lt;img' in html) == (status == "failed")


def test_an_evaluation_that_was_killed_says_by_what() -> None:
    with_model(a_run("a"))
    each, process = started("a", "")
    process.wait()
    (each.folder / "output.log").write_text("loading a at step 3 …\n")
    (each.folder / "exit").write_text("-9")
    assert "It was ended by SIGKILL, and said nothing of it" in shown()


def test_a_click_starts_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    with_model(a_run("a"))
    given: list[Any] = []
    monkeypatch.setattr(processes, "start", lambda words, about: given.append((list(words), about)))
    assert compare.ACTS["eval-start"](page(eval_run="a"), {}).said == "Started."
    assert given == [(["eval", "a", "--mode", "greedy", "--base"], "a")]
