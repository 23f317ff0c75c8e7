"""A run that goes on with another number of processes has as many prompts in a step as before."""

from typing import Any

import pytest

from grpoctl.elastic import keep_the_step
from grpoctl.recipe.load import RecipeReading, RecipeSource
from grpoctl.recipe.schema import Recipe


def gone_on(before: dict[str, Any], now: dict[str, Any], given: tuple[str, ...] = ()) -> RecipeReading:
    reading = RecipeReading(RecipeSource("r.yaml"), Recipe(**now))
    keep_the_step(Recipe(**before), reading, given)
    return reading


def accumulation(reading: RecipeReading) -> int:
    assert reading.recipe is not None and not reading.findings
    return reading.recipe.gradient_accumulation_steps


# 2 prompts x 3 x 4 processes = 24 a step
FOUR = {"nproc_per_node": 4, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 3}


@pytest.mark.parametrize(("processes", "micro_batches"), [(1, 12), (2, 6), (4, 3), (12, 1)])
def test_accumulation_makes_up_for_other_processes(processes: int, micro_batches: int) -> None:
    assert accumulation(gone_on(FOUR, {**FOUR, "nproc_per_node": processes})) == micro_batches


def test_machines_count_with_their_processes() -> None:
    assert accumulation(gone_on(FOUR, {**FOUR, "nnodes": 3})) == 1


def test_prompts_that_cannot_be_shared_are_refused_with_a_size_that_can() -> None:
    [found] = gone_on(FOUR, {**FOUR, "nproc_per_node": 8}).findings
    assert str(found) == (
        "r.yaml: nproc_per_node: makes 8 in all, which cannot share a step's 24 prompts by 2 prompts at a time; "
        "add per_device_train_batch_size=1, or set gradient_accumulation_steps for another number of prompts."
    )
    assert len(gone_on(FOUR, {**FOUR, "nproc_per_node": 5}).findings) == 1


def test_who_gives_the_accumulation_decides() -> None:
    assert accumulation(gone_on(FOUR, {**FOUR, "nproc_per_node": 8, "gradient_accumulation_steps": 2})) == 2
    assert accumulation(gone_on(FOUR, {**FOUR, "nproc_per_node": 8}, ("gradient_accumulation_steps",))) == 3


def test_zero_keeps_a_state_by_process() -> None:
    [found] = gone_on({**FOUR, "deepspeed": "z2"}, {**FOUR, "deepspeed": "z2", "nproc_per_node": 2}).findings
    assert "z2 has kept a state for each of 4" in found.problem
