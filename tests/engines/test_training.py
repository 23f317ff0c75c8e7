"""What a training leaves behind, and how it fails: the same on every engine."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engines.hooks import Hooks, break_reward
from engines.runs import events, samples, weights

from grpoctl.errors import GrpoctlError
from grpoctl.rewards import verifiable
from grpoctl.rewards.results import BrokenReward
from grpoctl.run import checkpoints
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import read_events
from grpoctl.run.view import view_run

Train = Callable[..., RunDirectory]

SAMPLE = {"step", "prompt", "question", "completion", "answer", "rewards", "reward", "advantage"}
STEP = {
    "event", "time", "step", "max_steps", "epoch", "reward", "reward_std", "reward_failures", "rewards/accuracy/mean",
    "rewards/accuracy/std", "rewards/format/mean", "rewards/format/std", "zero_std_share", "advantage_std",
    "baseline_error", "loss", "kl", "entropy", "grad_norm", "learning_rate", "clip_ratio/low_mean",
    "clip_ratio/low_min", "clip_ratio/high_mean", "clip_ratio/high_max", "clip_ratio/region_mean",
    "completions/mean_length", "completions/min_length", "completions/max_length", "completions/clipped_ratio",
    "completions/mean_terminated_length", "completions/min_terminated_length", "completions/max_terminated_length",
    "step_time_s", "tokens_per_s",
}  # fmt: skip


def test_a_step_event_carries_what_scripts_rely_on(train: Train) -> None:
    run = train("pref_beta=0.04")
    steps = events(run, ev.STEP)
    assert [step["step"] for step in steps] == list(range(1, 9))
    for step in steps:
        for name in (
            "reward", "reward_std", "rewards/accuracy/mean", "rewards/format/mean", "kl", "entropy",
            "completions/mean_length", "completions/clipped_ratio", "zero_std_share", "advantage_std",
            "learning_rate", "grad_norm", "step_time_s", "tokens_per_s", "loss",
        ):  # fmt: skip
            assert isinstance(step[name], int | float), name


def test_a_run_folder_holds_the_same_whatever_trained(straight: Train) -> None:
    run = straight()
    beside = {"recipe.yaml", "recipe.resolved.json", "manifest.json", "events.jsonl", "train.log", ".lock"}
    model = {"adapter_config.json", "adapter_model.safetensors"}
    tokenizer = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    steps = {"completions", "checkpoint-3", "checkpoint-6", "checkpoint-8"}
    assert {path.name for path in run.path.iterdir()} == beside | model | tokenizer | steps
    told = [event["event"] for event in read_events(run.events)[0]]
    assert (told[0], told[-1]) == (ev.RUN_STARTED, ev.RUN_FINISHED)
    assert set(told) - {ev.ADVICE} == {ev.RUN_STARTED, ev.SAMPLES, ev.STEP, ev.CHECKPOINT, ev.RUN_FINISHED}
    assert [sample.keys() ^ SAMPLE for sample in samples(run, 8)] == [set()] * 8
    assert [event.keys() ^ STEP for event in events(run, ev.STEP)] == [set()] * 8


def test_without_a_reference_kl_is_null(straight: Train) -> None:
    assert {step["kl"] for step in events(straight(), ev.STEP)} == {None}


def test_the_numbers_of_a_step_follow_from_its_completions(train: Train) -> None:
    run = train("reward_funcs=[{use: accuracy, weight: 1.0}, {use: format, weight: 0.3}]")
    for step in events(run, ev.STEP):
        drawn = samples(run, step["step"])
        assert len(drawn) == 8  # 2 prompts of 4 answers
        assert {sample["step"] for sample in drawn} == {step["step"]}
        rewards = [sample["rewards"]["accuracy"] + 0.3 * sample["rewards"]["format"] for sample in drawn]
        assert [sample["reward"] for sample in drawn] == pytest.approx(rewards)
        groups = [rewards[:4], rewards[4:]]
        assert {sample["prompt"] for sample in drawn[:4]} == {drawn[0]["prompt"]}
        assert step["reward"] == pytest.approx(sum(rewards) / 8)
        flat = sum(max(group) - min(group) < 1e-9 for group in groups) / 2
        assert step["zero_std_share"] == flat
        centred = [reward - sum(group) / 4 for group in groups for reward in group]
        assert step["advantage_std"] == pytest.approx(math.sqrt(sum(value**2 for value in centred) / 8))
        for sample, value in zip(drawn, centred, strict=True):
            assert (sample["advantage"] > 0) == (value > 1e-9)


def test_the_trained_adapter_is_loaded_by_plain_peft(straight: Train) -> None:
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    run = straight()
    model = peft.AutoPeftModelForCausalLM.from_pretrained(run.path)
    trained = [weight for name, weight in model.named_parameters() if "lora_B" in name]
    assert all(float(weight.detach().abs().max()) > 0 for weight in trained)  # they start from zero
    assert transformers.AutoTokenizer.from_pretrained(run.path).eos_token == "<|im_end|>"
    assert not (run.path / "training_args.bin").exists()


def test_the_trained_model_is_loaded_by_plain_transformers(straight: Train) -> None:
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    run = straight("finetuning_type=full", "learning_rate=2e-4")
    model = transformers.AutoModelForCausalLM.from_pretrained(run.path)
    assert model.config.model_type == "qwen3"


def test_a_run_that_starts_from_an_adapter_goes_on_with_it(straight: Train, train: Train) -> None:
    first = straight()
    second = train(f"adapter_name_or_path={first.path}", "max_steps=1", "learning_rate=1e-12", name="second")
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys()
    assert all(np.allclose(one[name], other[name], atol=1e-6, rtol=1e-5) for name in one)


def test_evaluation_comes_before_the_first_step_and_after_the_last_and_between_on_request(train: Train) -> None:
    run = train("eval_dataset=tiny_arithmetic_test", "eval_strategy=steps", "eval_steps=3")
    evals = events(run, ev.EVAL)
    assert [event["step"] for event in evals] == [0, 3, 6, 8]
    assert {event["n"] for event in evals} == {8}  # max_samples bounds it too
    assert {event["mode"] for event in evals} == {"greedy"}
    saved = json.loads((run.evals / "greedy-step-000008.json").read_text())
    assert saved["accuracy"] == evals[-1]["accuracy"]
    by_epoch = train("val_size=4", "eval_strategy=epoch", name="epochs")
    # 4 of the 8 rows are left: 2 steps an epoch
    assert [event["step"] for event in events(by_epoch, ev.EVAL)] == [0, 2, 4, 6, 8]


def test_the_steps_that_were_planned_are_those_that_are_made(train: Train) -> None:
    # 8 rows are 4 steps of 2 prompts; twice on each batch, one and a half epochs: 1.5 x 4 x 2
    run = train("max_steps=-1", "num_train_epochs=1.5", "num_iterations=2")
    steps = events(run, ev.STEP)
    assert [(step["step"], step["max_steps"]) for step in steps] == [(number, 12) for number in range(1, 13)]
    # the second step on the same completions tells of the same rewards, and keeps no file of its own
    assert all(one["reward"] == other["reward"] for one, other in zip(steps[::2], steps[1::2], strict=True))
    assert [event["step"] for event in events(run, ev.SAMPLES)] == [1, 3, 5, 7, 9, 11]


def test_checkpoints_are_sealed_and_the_oldest_go(train: Train) -> None:
    run = train("save_steps=2", "save_total_limit=2")
    assert checkpoints.steps_of(run) == [6, 8]
    assert checkpoints.fault_of(run.checkpoint(8)) is None
    assert [event["step"] for event in events(run, ev.CHECKPOINT)] == [2, 4, 6, 8]


def test_tensorboard_gets_the_documents_names(train: Train) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = train("report_to=tensorboard", "pref_beta=0.04", "eval_dataset=tiny_arithmetic_test")
    read = accumulator.EventAccumulator(str(run.tensorboard))
    read.Reload()
    names = {
        "reward/total", "reward/accuracy", "reward/format", "loss/policy_loss", "loss/kl_divergence",
        "eval/accuracy", "eval/format_accuracy",
    }  # fmt: skip
    assert names <= set(read.Tags()["scalars"])
    assert len(read.Scalars("reward/total")) == 8


# --- failures


def test_a_reward_that_always_fails_ends_the_run_and_keeps_what_was_done(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def breaks(completions: Sequence[str], answer: Sequence[str], **_: Any) -> list[float]:
        nonlocal calls
        calls += len(completions) > 1
        if calls > 3:
            raise ZeroDivisionError("division by zero")
        return [0.0] * len(completions)

    break_reward(monkeypatch, breaks)
    with pytest.raises(
        BrokenReward, match=r"reward accuracy: failed on 16 of 24 completions in 3 steps \(ZeroDivisionError"
    ):
        train()
    view = view_run(RunDirectory(tmp_path / "run"))
    assert (view.status, view.checkpoint) == ("failed", 3)
    assert "reward accuracy" in (view.error or "")


def test_a_reward_that_fails_now_and_then_is_counted_and_its_completions_left_out(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_on_some(completions: Sequence[str], answer: Sequence[str], **_: Any) -> list[float]:
        if any("</answer>" not in completion for completion in completions):
            raise ValueError("no answer in it")
        return verifiable.accuracy(completions, answer)  # type: ignore[return-value]

    break_reward(monkeypatch, fails_on_some)
    run = train()
    counts = [step["reward_failures"] for step in events(run, ev.STEP)]
    assert sum(counts) > 0
    for step in events(run, ev.STEP):
        failed = [sample for sample in samples(run, step["step"]) if sample["rewards"]["accuracy"] is None]
        assert len(failed) == step["reward_failures"]
        assert all((sample["reward"], sample["advantage"]) == (None, 0.0) for sample in failed)


def test_groups_without_spread_bring_advice(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    break_reward(monkeypatch, lambda completions, answer, **_: [0.0] * len(completions))
    run = train("reward_funcs=accuracy", "max_steps=12")
    assert {step["zero_std_share"] for step in events(run, ev.STEP)} == {1.0}
    assert {step["loss"] for step in events(run, ev.STEP)} == {0.0}
    assert any("teach nothing" in event["text"] for event in events(run, ev.ADVICE))


def test_a_step_of_which_everything_is_masked_moves_nothing(train: Train) -> None:
    run = train("mask_truncated_completions=true", "max_completion_length=2", "max_steps=2")
    for step in events(run, ev.STEP):
        assert (step["completions/clipped_ratio"], step["loss"], step["grad_norm"]) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize("returned", [[1.0], [math.nan] * 8, None])
def test_a_reward_that_returns_nonsense_is_one_clear_line(
    returned: Any, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_reward(monkeypatch, lambda completions, answer, **_: returned)
    with pytest.raises(BrokenReward, match="reward accuracy") as failure:
        train()
    assert "\n" not in str(failure.value)


def test_a_loss_that_is_no_number_stops_before_it_reaches_the_weights(
    train: Train, hooks: Hooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks.spoil_loss(monkeypatch, 4)
    expected = "step 5: the loss is no finite number; the weights of step 4 are untouched"
    with pytest.raises(hooks.non_finite(), match=expected):
        train()
    run = RunDirectory(tmp_path / "run")
    assert view_run(run).status == "failed"
    assert checkpoints.newest_whole(run)[0] == run.checkpoint(3)


def test_a_gradient_that_is_no_number_stops_too(train: Train, hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks.spoil_gradient(monkeypatch, 2)
    with pytest.raises(hooks.non_finite(), match="step 3: the gradient"):
        train()


def test_a_disk_that_fills_during_a_checkpoint_leaves_the_one_before(
    train: Train, hooks: Hooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks.fill_disk(monkeypatch, "checkpoint-6")
    with pytest.raises(GrpoctlError, match=r"checkpoint-6: cannot be written \(.*No space left on device.*make room"):
        train()
    run = RunDirectory(tmp_path / "run")
    assert checkpoints.steps_of(run) == [3]
    assert not run.incoming.exists()
    assert len(events(run, ev.STEP)) == 6
