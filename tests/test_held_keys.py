"""What a checkpoint was made by stays as it was when a run goes on."""

import json
from pathlib import Path

import pytest
from fake_run import make_run, step

from grpoctl.errors import InputError
from grpoctl.held_keys import changed_ones
from grpoctl.plan import plan_resume
from grpoctl.recipe.load import load_recipe, read_resolved
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run that was stopped with a checkpoint."""
    made = make_run(tmp_path / "one", (ev.RUN_STARTED, {"max_steps": 80}), step(2), (ev.RUN_STOPPED, {"step": 2}))
    made.resolved.write_text(json.dumps(load_recipe("quickstart").model_dump(mode="json")))
    made.checkpoint(2).mkdir()
    return made


def said(run: RunDirectory, *overrides: str) -> list[str]:
    return [str(finding) for finding in changed_ones(run, read_resolved(run.resolved, overrides))]


@pytest.mark.parametrize(
    ("override", "now", "then"),
    [
        ("lora_rank=8", "8", "16"),
        ("lora_target=q_proj", "q_proj", "all"),
        ("finetuning_type=full", "full", "lora"),
        ("engine=tunix", "tunix", "trl"),
        ("model_name_or_path=other", "other", "tiny"),
        ("optim=adafactor", "adafactor", "adamw_torch"),
        ("use_dora=true", "true", "false"),
    ],
)
def test_what_does_not_fit_the_checkpoint_is_one_line(run: RunDirectory, override: str, now: str, then: str) -> None:
    key = override.partition("=")[0]
    fix = "leave it as it was, or start a new run."
    assert said(run, override) == [f"command line: {key}: is {now}, and {run.name} was trained with {then}; {fix}"]


def test_what_fits_may_change(run: RunDirectory) -> None:
    assert said(run, "learning_rate=1e-5", "max_steps=90", "pref_beta=0.1", "num_generations=4", "seed=3") == []
    assert said(run) == []


def test_an_engine_alone_is_told_of_where_all_else_follows_from_it(run: RunDirectory) -> None:
    assert len(said(run, "engine=tunix", "lora_rank=8", "optim=adafactor")) == 1


def test_a_run_without_weights_starts_again_with_any_recipe(run: RunDirectory) -> None:
    run.checkpoint(2).rmdir()
    assert said(run, "lora_rank=8") == []


def test_nothing_of_the_run_is_written_before_it_is_refused(run: RunDirectory) -> None:
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"lora_rank: is 8, and .* was trained with 16"):
        plan_resume(str(run.path), ["lora_rank=8"])
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_the_answers_of_a_network_are_part_of_its_state(run: RunDirectory) -> None:
    run.resolved.write_text(json.dumps(load_recipe("mnist_grpo").model_dump(mode="json")))
    assert [line.split(": ")[1] for line in said(run, "num_generations=4", "per_device_train_batch_size=8")] == [
        "num_generations",
        "per_device_train_batch_size",
    ]
    assert said(run, "lora_rank=4") == []


def test_what_does_not_fit_is_told_before_all_that_follows_from_it(run: RunDirectory) -> None:
    with pytest.raises(InputError, match=r"hidden_sizes: is 12, and .* was trained with none"):
        plan_resume(str(run.path), ["hidden_sizes=12"])
