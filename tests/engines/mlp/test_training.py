"""A run on digits: what it leaves in its folder, how it goes on, what is read of it."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("jax")
pytest.importorskip("flax")
Image = pytest.importorskip("PIL.Image")

from engines.runs import events, lasting_events, resumed_from, same, samples, told, unfinish
from idx_files import picture

from grpoctl.comparison.runs import compare_runs
from grpoctl.comparison.table import comparison_in_lines
from grpoctl.engines.mlp.learner import Learner
from grpoctl.errors import GrpoctlError
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory

Train = Callable[..., RunDirectory]
Grpoctl = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("recipe", ["mnist_grpo", "mnist_ppo", "mnist_document"])
def test_the_shipped_recipes_learn(train: Train, recipe: str) -> None:
    # Few updates, so at a rate for few.
    run = train("max_steps=150", "logging_steps=50", "save_steps=150", "learning_rate=0.001", recipe=recipe)
    before, after = events(run, ev.EVAL)
    assert before["accuracy"] < 0.4
    assert after["accuracy"] >= 0.9
    assert (after["n"], after["format_accuracy"], after["partial_accuracy"]) == (50, 1.0, after["accuracy"])


def test_a_run_leaves_what_every_run_leaves(train: Train) -> None:
    run = train("pref_beta=0.1")
    steps = events(run, ev.STEP)
    # Told every five steps, and saved.
    assert [step["step"] for step in steps] == [5, 10]
    for name in (
        "reward", "reward_std", "rewards/accuracy/mean", "kl", "entropy", "completions/mean_length",
        "completions/clipped_ratio", "zero_std_share", "advantage_std", "learning_rate", "grad_norm", "step_time_s",
        "tokens_per_s", "loss", "baseline_error", "epoch",
    ):  # fmt: skip
        assert isinstance(steps[-1][name], float | int), name
    assert [step["samples_drawn"] for step in steps] == [2000, 4000]  # 50 pictures x 8 answers a step
    assert steps[-1]["epoch"] == 2.5  # 200 pictures
    # 784-128-128-10 with biases, and two moments and a count.
    assert (steps[-1]["networks"], steps[-1]["parameters"]) == (1, 118_282)
    assert steps[-1]["optimizer_mib"] == pytest.approx(2 * 118_282 * 4 / 2**20, abs=1e-3)
    assert len(samples(run, 10)) == 8 * 8
    assert {sample["reward"] for sample in samples(run, 10)} <= {0.0, 1.0}
    assert all(sample["reward"] == float(sample["completion"] == sample["answer"]) for sample in samples(run, 10))
    assert sorted(path.name for path in run.path.glob("checkpoint-*")) == ["checkpoint-10", "checkpoint-5"]
    assert [entry["bytes"] > 0 for entry in json.loads(run.manifest.read_text())["data"]] == [True] * 4


@pytest.mark.parametrize(
    "overrides",
    [
        ("num_iterations=3", "pref_beta=0.05"),  # a checkpoint in the middle of an answer's rounds
        ("group=batch", "baseline=moving_average", "max_grad_norm=0.1", "lr_scheduler_type=cosine"),
        ("stage=ppo", "num_generations=1", "weight_decay=0.1"),
    ],
)
def test_a_resumed_run_ends_bit_for_bit_as_one_that_was_never_stopped(train: Train, overrides: tuple[str, ...]) -> None:
    straight = train(*overrides, name="straight")
    stopped = train(*overrides, name="stopped")
    unfinish(stopped)
    shutil.rmtree(stopped.checkpoint(10))
    (stopped.path / "model.safetensors").unlink()
    resumed = train(resume=stopped)
    assert resumed_from(resumed) == [5]
    assert same(straight, resumed)
    assert told(straight) == told(resumed)


def test_a_signal_ends_a_run_with_a_checkpoint_to_go_on_from(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = train("max_steps=15", name="straight")
    original = Learner.take

    def take(self: Learner, state: Any, first: int, rates: Any) -> Any:
        if first == 5:
            signal.raise_signal(signal.SIGTERM)
        return original(self, state, first, rates)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "take", take)
        run = train("max_steps=15", "save_steps=100", name="stopped")
    assert [event["step"] for event in events(run, ev.RUN_STOPPED)] == [10]
    assert [path.name for path in run.path.glob("checkpoint-*")] == ["checkpoint-10"]
    assert same(straight, train(resume=run))


def test_a_checkpoint_of_the_model_alone_goes_on_and_says_so(train: Train, caplog: pytest.LogCaptureFixture) -> None:
    run = train("save_only_model=true", "max_steps=5")
    train("max_steps=7", resume=run)
    assert "holds the model alone, so the optimiser starts anew" in caplog.text
    assert lasting_events(run, ev.STEP)[-1]["step"] == 7


def test_a_loss_that_is_no_number_ends_the_run_in_one_line(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Learner.take

    def take(self: Learner, state: Any, first: int, rates: Any) -> Any:
        end, told = original(self, state, first, rates)
        spoiled = np.array(told["loss"])
        spoiled[-1] = np.nan
        return end, {**told, "loss": spoiled}

    monkeypatch.setattr(Learner, "take", take)
    with pytest.raises(GrpoctlError, match="step 5: the loss is no finite number"):
        train()


def test_evaluations_come_when_the_recipe_says(train: Train) -> None:
    run = train("eval_strategy=steps", "eval_steps=4", "logging_steps=100", "save_steps=100")
    assert [event["step"] for event in events(run, ev.EVAL)] == [0, 4, 8, 10]
    run = train("eval_strategy=epoch", "logging_steps=100", "save_steps=100", name="epoch")
    assert [event["step"] for event in events(run, ev.EVAL)] == [0, 4, 8, 10]


def test_a_run_is_evaluated_in_every_mode_and_beside_its_start(learned: RunDirectory, grpoctl: Grpoctl) -> None:
    run = learned
    code, out, err = grpoctl("eval", str(run.path), "--mode", "all", "--base", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert {mode: found["n"] for mode, found in document["modes"].items()} == {
        "greedy": 50,
        "standard": 50,
        "liberal": 50,
    }
    assert document["modes"]["greedy"]["accuracy"] >= 0.9 > 0.5 > document["base"]["greedy"]["accuracy"]
    assert document["difference"]["greedy"]["p"] < 0.01
    code, out, _ = grpoctl("show", str(run.path))
    assert "samples_drawn" in out
    code, out, _ = grpoctl("eval", str(run.path), "--limit", "1")
    assert "of the pictures are read right" in out and ", greedy, 1 problem of " in out
    for word in ("answer tag", "tokens", "form", "max_completion_length"):
        assert word not in out, word


def test_ask_reads_a_picture(learned: RunDirectory, grpoctl: Grpoctl, tmp_path: Path) -> None:
    run = learned
    file = tmp_path / "four.png"
    Image.frombytes("L", (28, 28), picture(4, 999)).save(file)
    code, out, _ = grpoctl("ask", str(run.path), str(file))
    assert (code, out) == (0, "4\n")
    code, out, _ = grpoctl("ask", str(run.path), str(file), "--base", "--json")
    document = json.loads(out)
    assert (document["answer"], document["tokens"], document["prompt"]) == ("4", 1, str(file))
    code, _, err = grpoctl("ask", str(run.path), str(tmp_path / "gone.png"))
    assert (code, err.count("\n")) == (2, 1)
    assert "gone.png: is no picture that is here" in err
    assert grpoctl("ask", str(run.path), "")[2] == "question: is empty; name a picture: grpoctl ask RUN digit.png.\n"


def test_compare_shows_what_grpo_saves_and_ppo_spends_and_how_seeds_differ(train: Train) -> None:
    runs = [
        train(f"seed={seed}", recipe=recipe, name=f"{recipe}-{seed}")
        for recipe in ("mnist_grpo", "mnist_ppo")
        for seed in (0, 1)
    ]
    comparison = compare_runs(runs)
    grpo, _, ppo, _ = (run.view.metrics for run in comparison.runs)
    assert (grpo["networks"], ppo["networks"]) == (1, 2)
    assert ppo["parameters"] == grpo["parameters"] + 784 * 128 + 128 + 128 * 128 + 128 + 128 + 1
    assert grpo["samples_drawn"] == 8 * ppo["samples_drawn"]
    lines = comparison_in_lines(comparison, None)
    for name in ("networks", "parameters", "optimizer_mib", "samples_drawn", "baseline_error"):
        assert any(line.strip().startswith(name) for line in lines), name
    assert lines[-4:][0] == "greedy accuracy after, over seeds:"
    (first, second) = comparison.as_json()["over_seeds"]
    assert (first["seeds"], second["seeds"]) == ([0, 1], [0, 1])
    accuracies = [event["accuracy"] for run in runs[:2] for event in events(run, ev.EVAL)[-1:]]
    assert first["accuracy"]["greedy"]["min"] == min(accuracies)


def test_no_library_is_promised_an_export(learned: RunDirectory, grpoctl: Grpoctl, tmp_path: Path) -> None:
    code, _, err = grpoctl("export", str(learned.path), "--to", str(tmp_path / "out"))
    said = "is mlp, whose network no other library knows; its weights are in the run's model.safetensors"
    assert (code, err) == (2, f"engine: {said}.\n")


def test_mistakes_are_drawn_where_every_answer_is_right_too(learned: RunDirectory) -> None:
    assert events(learned, ev.EVAL)[1]["accuracy"] == 1.0
    assert (learned.plots / "mistakes.png").stat().st_size > 10_000
