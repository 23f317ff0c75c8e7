"""What a comparison is, apart from how it is printed."""

import json
from pathlib import Path

import pytest
from fake_evals import evaluated
from fake_run import greedy, make_run, step

from grpoctl.comparison.runs import compare_runs, differing_keys, runs_named
from grpoctl.errors import InputError


def test_keys_differ_where_a_value_does_and_nested_ones_by_their_whole_name(tmp_path: Path) -> None:
    made = [make_run(tmp_path / name) for name in "ab"]
    recipe = {"seed": 0, "lora_rank": 8, "eval_modes": {"greedy": {"top_k": 1, "top_p": 1.0}}, "mesh": {}}
    made[0].resolved.write_text(json.dumps(recipe))
    recipe |= {"lora_rank": 16, "eval_modes": {"greedy": {"top_k": 5, "top_p": 1.0}}}
    made[1].resolved.write_text(json.dumps(recipe))
    comparison = compare_runs(made)
    assert comparison.differing_keys == ["lora_rank", "eval_modes.greedy.top_k"]
    assert [run["recipe"] for run in comparison.as_json()["runs"]] == [
        {"lora_rank": 8, "eval_modes.greedy.top_k": 1},
        {"lora_rank": 16, "eval_modes.greedy.top_k": 5},
    ]


def test_what_every_run_has_of_its_own_is_no_difference(tmp_path: Path) -> None:
    made = [make_run(tmp_path / name) for name in "ab"]
    for run in made:
        run.resolved.write_text(json.dumps({"output_dir": str(run.path), "run_name": run.path.name, "seed": 0}))
    assert compare_runs(made).differing_keys == []


def test_a_recipe_without_a_key_says_nothing_of_it() -> None:
    assert differing_keys([{"new": 1, "seed": 0}, {"seed": 1}, {}]) == ["seed"]
    assert differing_keys([{"seed": 0}]) == []


@pytest.mark.parametrize("damage", ["{", "[1]", "", "\x00"])
def test_a_run_is_compared_by_what_is_left_of_it(damage: str, tmp_path: Path) -> None:
    whole = make_run(tmp_path / "whole", step(3, reward=0.5), greedy(3, 0.4))
    whole.resolved.write_text(json.dumps({"seed": 0}))
    broken = make_run(tmp_path / "broken")
    for path in (broken.resolved, broken.manifest, broken.events):
        path.write_text(damage)
    document = compare_runs([broken, whole]).as_json()
    assert document["runs"][0] == {
        "run": str(broken.path),
        "status": "dead",
        "step": 0,
        "max_steps": None,
        "recipe": {},
        "metrics": {},
        "evals": {},
    }
    assert document["runs"][1]["metrics"] == {"reward": 0.5}


def test_a_recipe_nested_beyond_reading_is_none(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    run.resolved.write_text("[" * 100_000)
    assert compare_runs([run]).runs[0].recipe == {}


def test_runs_are_tested_against_the_first_or_every_pair_of_them(tmp_path: Path) -> None:
    made = [make_run(tmp_path / name) for name in "abc"]
    for run, solved in zip(made, (2, 4, 8), strict=True):
        evaluated(run, 80, [number < solved for number in range(8)])
    assert [(pair.a[-1], pair.b[-1]) for pair in compare_runs(made).paired] == [("a", "b"), ("a", "c")]
    found = compare_runs(made, every_pair=True).as_json()["paired"]
    assert [(pair["a"][-1], pair["b"][-1]) for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    # b solved 2 more of 8 than a, and lost none: p is 2 / 2**2.
    assert (found[0]["mode"], found[0]["n"], found[0]["difference"], found[0]["p"]) == ("greedy", 8, 0.25, 0.5)


def test_only_the_same_prompts_and_answers_are_a_pair(tmp_path: Path) -> None:
    made = [make_run(tmp_path / name) for name in "abcd"]
    asked = [("1 + 1?", "2"), ("2 + 2?", "4")]
    evaluated(made[0], 80, [True, False], problems=asked)
    evaluated(made[1], 80, [True, False], problems=asked[::-1])
    evaluated(made[2], 80, [True, False], problems=[asked[0], ("2 + 2?", "5")])
    evaluated(made[3], 80, [True, False], "standard", problems=asked)
    [pair] = compare_runs(made, every_pair=True).paired
    assert (pair.a[-1], pair.b[-1], pair.test.difference) == ("a", "b", 0.0)


def test_a_test_of_one_problem_has_no_interval_in_json(tmp_path: Path) -> None:
    made = [make_run(tmp_path / name) for name in "ab"]
    for run, right in zip(made, (True, False), strict=True):
        evaluated(run, 80, [right])
        # A second answer, and a right one: all of a's are right, and half of b's.
        samples = run.evals / "greedy-step-000080.jsonl"
        line = samples.read_text().splitlines()[1]
        samples.write_text(f"{samples.read_text()}{line.replace(str(right).lower(), 'true')}\n")
    [pair] = compare_runs(made).as_json()["paired"]
    assert (pair["difference"], pair["low"], pair["high"], pair["p"]) == (-0.5, None, None, 1.0)


def test_modes_stand_in_the_usual_order(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    for mode in ("liberal", "standard", "greedy"):
        evaluated(run, 80, [True], mode)
    evaluated(run, 80, [True], "greedy", apart="limit1")
    assert compare_runs([run]).modes == ["greedy", "standard", "liberal", "greedy-limit1"]


def test_every_name_that_is_wrong_is_said_at_once(runs: Path) -> None:
    for name in ("quickstart", "other"):
        make_run(runs / name)
    assert [run.name for run in runs_named(["other", "quickstart"])] == ["other", "quickstart"]
    with pytest.raises(InputError) as error:
        runs_named(["quikstart", "other", str(runs / "other"), "nothing"])
    assert [str(finding) for finding in error.value.findings] == [
        f"quikstart: is no run below {runs}; did you mean quickstart?",
        f"{runs / 'other'}: names other once more; name each run once.",
        f"nothing: is no run below {runs}; see grpoctl runs.",
    ]


def test_more_runs_than_a_picture_holds_are_refused(runs: Path) -> None:
    with pytest.raises(InputError, match="takes 20 runs at most, and got 21; name fewer"):
        runs_named([f"r{number}" for number in range(21)])
