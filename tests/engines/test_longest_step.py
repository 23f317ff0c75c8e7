"""The longest step can be tried first: it costs no change of the run, and what does not fit fails at once."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from engines.runs import events, same, told

from grpoctl.errors import GrpoctlError
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory

Train = Callable[..., RunDirectory]


def test_a_run_is_the_same_after_it(train: Train, straight: Train) -> None:
    run = train("longest_step_first=true")
    assert same(run, straight())
    assert told(run) == told(straight())
    # The quickstart's longest prompt is 28 tokens; SMALL cuts completions at 24.
    (line,) = [line for line in run.log.read_text().splitlines() if "the longest step fits" in line]
    found = re.search(r"prompts of (\d+) and completions of 24 tokens take ([\d.]+) GiB.*[,;] ([\d.]+) GiB", line)
    assert found is not None and int(found[1]) in range(20, 40)
    assert 0.3 < float(found[2]) < 3 and 0.3 < float(found[3]) < 3


def test_what_does_not_fit_ends_before_the_first_step(
    train: Train, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> Any:
        raise MemoryError("Unable to allocate 64.0 GiB for an array")

    if engine == "trl":
        monkeypatch.setattr("grpoctl.engines.trl.trainer.GroupTrainer.rehearse_longest", no_room)
    else:
        monkeypatch.setattr("grpoctl.engines.tunix.learner.GroupLearner.rehearsed", no_room)
    with pytest.raises(GrpoctlError, match=r"out of memory: 64.00 GiB were asked for where .* GiB were free") as caught:
        train("longest_step_first=true", name="full")
    assert "\n" not in str(caught.value)
    assert "max_completion_length" in str(caught.value) or "per_device_train_batch_size" in str(caught.value)


def test_memory_that_runs_out_in_a_step_is_told_in_one_line(
    train: Train, hooks: Any, engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    if engine == "trl":
        import torch

        error: Exception = torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.10 GiB of which "
            "512.00 MiB is free."
        )
    else:
        import jax

        error = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 2684354560 bytes.")

    def full() -> None:
        raise error

    hooks.at_micro_step(monkeypatch, 2, full)
    with pytest.raises(GrpoctlError, match=r"^out of memory: 2.50 GiB were asked for where .* free on .*; ") as caught:
        train(name="full")
    (failed,) = events(RunDirectory(tmp_path / "full"), ev.RUN_FAILED)
    assert failed["error"] == str(caught.value)
    if engine == "trl":
        assert "where 0.50 GiB were free" in str(caught.value)
