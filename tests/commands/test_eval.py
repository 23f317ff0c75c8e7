"""`grpoctl eval`: what a model solves, before and after, and that it goes on where it was stopped."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_run import make_run, step
from support import SMALL

pytest.importorskip("trl")

from grpoctl.engines.trl.sampler import TrlSampler
from grpoctl.recipe.keys.evaluation import EvalSampling
from grpoctl.recipe.load import load_recipe
from grpoctl.run.directory import all_runs
from grpoctl.run.evals import read_samples
from grpoctl.run.view import view_run
from grpoctl.samples import Completion

Command = Callable[..., tuple[int, str, str]]
DATA = "eval_dataset=tiny_arithmetic_test"
QUICK = (DATA, "num_threads=1", "max_completion_length=40", "reasoning_tag=reasoning", "--limit", "40")


def told(grpoctl: Command, *words: str) -> dict[str, Any]:
    code, said, wrong = grpoctl("eval", *words, "--json")
    assert code == 0, wrong
    found: dict[str, Any] = json.loads(said)
    return found


def test_after_a_train_it_just_works_with_the_base_beside(grpoctl: Command, runs: Path) -> None:
    data = ("val_size=20", "max_samples=40")
    small = [word for word in SMALL if not word.startswith("max_samples")]
    assert grpoctl("train", "quickstart", *small, *data, "learning_rate=2e-2")[0] == 0
    (run,) = all_runs()
    found = told(grpoctl, "--mode", "all", "--base")
    assert found["model"] == run.name
    assert list(found["modes"]) == list(found["base"]) == ["greedy", "standard", "liberal"]
    for mode, report in found["modes"].items():
        low, high = report["accuracy_ci"]
        assert (report["n"], report["step"]) == (20, 8) and low <= report["accuracy"] <= high
        assert found["base"][mode]["step"] == 0
        assert report["rewards"].keys() == {"accuracy", "format"}
        before, after = found["base"][mode]["accuracy"], report["accuracy"]
        assert found["difference"][mode]["difference"] == pytest.approx(after - before)
    # Training evaluated both on the same rows, by the same code.
    events = [event for event in view_run(run).evals if event["mode"] == "greedy"]
    assert [event["step"] for event in events] == [0, 0, 8, 8]
    assert events[0]["accuracy"] == events[1]["accuracy"] and events[2]["accuracy"] == events[3]["accuracy"]
    # Every sample is kept with all there is to know of it.
    (sample, *others) = read_samples(run.evals / "standard-step-000008.jsonl")
    assert len(others) == 19
    assert sample.keys() >= {"problem", "sample", "prompt", "completion", "answer", "extracted", "rewards"}
    assert sample["finish_reason"] in ("stop", "length")
    code, said, _ = grpoctl("eval", run.name, "--checkpoint", "3", "--limit", "4")
    assert code == 0 and f"{run.name} at step 3, greedy, 4 problems of tiny_arithmetic (held out)" in said
    assert "right, in the answer tag" in said
    code, said, _ = grpoctl("show", run.name)
    assert code == 0 and "greedy, 20 problems" in said


def test_a_model_is_evaluated_without_any_run(grpoctl: Command, runs: Path) -> None:
    found = told(grpoctl, "tiny", *QUICK, "reward_funcs=accuracy,format")
    report = found["modes"]["greedy"]
    assert (found["model"], report["n"], report["dataset"]) == ("tiny", 40, "tiny_arithmetic_test")
    assert report["format_accuracy"] == 1.0 and "base" not in found
    assert len(list((runs / "evals" / "tiny").glob("*.jsonl"))) == 1


def test_the_same_seed_gives_the_same_answers_and_another_others(grpoctl: Command, runs: Path) -> None:
    def answers(seed: str) -> list[str]:
        told(grpoctl, "tiny", *QUICK, "--mode", "standard", "--seed", seed)
        (file,) = (runs / "evals" / "tiny").glob(f"*seed{seed}.jsonl")
        return [sample["completion"] for sample in read_samples(file)]

    assert answers("1") == answers("1") != answers("2")


def test_several_answers_give_pass_at_k_and_a_majority(grpoctl: Command, runs: Path) -> None:
    report = told(grpoctl, "tiny", *QUICK, "--mode", "standard", "--k", "4")["modes"]["standard"]
    assert (report["n"], report["k"]) == (40, 4)
    assert list(report["pass_at_k"]) == ["1", "2", "4"]
    assert report["accuracy"] == report["pass_at_k"]["1"] <= report["pass_at_k"]["4"]
    assert report["pass_at_k"]["4"] == pytest.approx(1 - report["never_solved_share"])
    code, said, _ = grpoctl("eval", "tiny", *QUICK, "--mode", "standard", "--k", "4")
    assert code == 0 and "pass@4" in said and "maj@4" in said and "never solved" in said


def test_the_likeliest_answer_is_asked_for_once(grpoctl: Command, runs: Path) -> None:
    code, said, beside = grpoctl("eval", "tiny", *QUICK, "--k", "4", "--json")
    report = json.loads(said)["modes"]["greedy"]
    assert (code, report["k"]) == (0, 1) and "pass_at_k" not in report
    assert "--k: greedy takes the likeliest answer, which is the same each time: asked once.\n" in beside


def test_one_that_was_interrupted_goes_on_and_ends_as_if_it_had_not_been(
    grpoctl: Command, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("tiny", *QUICK, "per_device_eval_batch_size=8", "--mode", "standard")
    whole = told(grpoctl, *words)["modes"]["standard"]
    (file,) = (runs / "evals" / "tiny").glob("*.jsonl")
    kept = file.read_bytes()
    original, calls = TrlSampler.sample, 0

    def sample(self: TrlSampler, prompts: Sequence[str], sampling: EvalSampling, seed: int) -> list[Completion]:
        nonlocal calls
        calls += 1
        if calls == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, prompts, sampling, seed)

    monkeypatch.setattr(TrlSampler, "sample", sample)
    code, _, wrong = grpoctl("eval", *words)
    assert (code, calls) == (130, 3)
    assert "stopped; the same command goes on from here" in wrong
    assert not file.with_suffix(".json").exists()
    assert len(read_samples(file)) == 24
    calls = 10
    again = told(grpoctl, *words)["modes"]["standard"]
    assert calls == 12  # the two batches that were left
    assert file.read_bytes() == kept
    assert {**again, "seconds": 0} == {**whole, "seconds": 0}


def test_what_the_recipe_of_a_run_lacks_is_told_under_the_name_of_the_run(grpoctl: Command, runs: Path) -> None:
    run = make_run(runs / "mine", step(3))
    run.resolved.write_text(json.dumps(load_recipe("quickstart", ["eval_dataset=null"]).model_dump(mode="json")))
    run.checkpoint(3).mkdir()
    (run.path / "model.safetensors").write_bytes(b"")
    assert grpoctl("eval", "mine")[2].startswith("mine: eval_dataset: names no data to evaluate on; ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "holds no run; start one: grpoctl train quickstart."),
        (["tiny", DATA, "--mode", "gredy"], "--mode: is gredy; did you mean greedy?"),
        (["tiny", DATA, "--k", "0"], "--k: is 0; use 1 or more."),
        (["tiny", DATA, "--limit", "0"], "--limit: is 0; use 1 or more."),
        (["tiny"], "names no data to evaluate on; name some: eval_dataset=NAME or PATH"),
        (["tiny", "eval_dataset=tiny_arithmetik"], "did you mean tiny_arithmetic?"),
        (["tiny", DATA, "reward_funcs=acuracy"], "did you mean accuracy?"),
        (["tiny", DATA, "temprature=1"], "temprature: is no key; did you mean temperature?"),
        (["tiny", DATA, "--checkpoint", "3"], "is no run, and only runs have checkpoints; leave --checkpoint out."),
        (["tinny", DATA], "tinny: is no model; did you mean tiny?"),
        (["no/such", DATA], "no/such: is no run, and no model on this machine"),
        (["a", "b"], "takes one run or model, and got 2; name one."),
        (["--split", "test"], "invalid choice: 'test'"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], message: str, grpoctl: Command, runs: Path) -> None:
    code, said, wrong = grpoctl("eval", *words)
    assert (code, said) == (2, "") and message in wrong and wrong.count("\n") == 1, wrong


def test_an_evaluation_set_without_answers_is_one_line(grpoctl: Command, runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "1 + 1?"}\n')
    code, _, wrong = grpoctl("eval", "tiny", f"eval_dataset={file}")
    assert code == 2 and "has the columns question, none known to be the gold answer" in wrong


def test_a_run_that_failed_before_a_checkpoint_says_how_to_go_on(grpoctl: Command, runs: Path) -> None:
    from fake_run import make_run

    run = make_run(runs / "broken", ("run_failed", {"step": 0, "error": "no room"}))
    (run.resolved).write_text(json.dumps({"model_name_or_path": "tiny", "dataset": ["tiny_arithmetic"]}))
    code, _, wrong = grpoctl("eval", "broken")
    assert code == 2
    assert wrong == "broken: is failed and has no model yet; go on: grpoctl train --resume broken.\n"
