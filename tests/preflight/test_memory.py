"""`grpoctl check` tells of a recipe that will not fit the machine it is for."""

from collections.abc import Callable

import pytest
from support import LAPTOP

from grpoctl.errors import Finding
from grpoctl.machine import Machine
from grpoctl.preflight import Preflight

pytestmark = pytest.mark.usefixtures("every_engine")

Check = Callable[..., Preflight]
LARGE = ("model_name_or_path=Qwen/Qwen3-8B", "max_prompt_length=512", "max_completion_length=1024")


def card(name: str, count: int = 1) -> Machine:
    return Machine("server", 16, 128.0, 500.0, (name,) * count, 0)


def of_memory(found: Preflight) -> list[Finding]:
    return [finding for finding in found.findings if "GiB" in finding.problem]


def test_a_recipe_that_fits_is_passed_over(checked: Check) -> None:
    for machine in (LAPTOP, card("NVIDIA T4"), card("NVIDIA H200")):
        assert of_memory(checked("", machine=machine)) == []
    assert of_memory(checked("", *LARGE, "bf16=true", machine=card("NVIDIA H100 80GB HBM3"))) == []


def test_a_card_that_is_too_small_is_told_by_part_with_what_would_fit(checked: Check) -> None:
    keys = (*LARGE, "bf16=true", "num_generations=16", "per_device_train_batch_size=2")
    (finding,) = of_memory(checked("", *keys, machine=card("NVIDIA L4")))
    assert finding.level == "warning" and finding.key == "model_name_or_path"
    assert "weights 15.3" in finding.problem and finding.problem.endswith("of the 22 GiB of NVIDIA L4")
    assert finding.fix.startswith("it fits with ")


def test_weights_and_optimiser_that_can_never_fit_are_an_error(checked: Check) -> None:
    keys = (*LARGE, "bf16=true", "finetuning_type=full", "learning_rate=1e-6")
    (finding,) = of_memory(checked("", *keys, machine=card("NVIDIA H100 80GB HBM3")))
    assert finding.level == "error" and "optimiser" in finding.problem
    assert "finetuning_type=lora" in finding.fix
    # Eight cards hold together what one does not.
    (finding,) = of_memory(checked("", *keys, machine=card("NVIDIA H100 80GB HBM3", 8)))
    assert "deepspeed=z3, nproc_per_node=8" in finding.fix


def test_a_cpu_run_larger_than_the_machine_is_told(checked: Check) -> None:
    (finding,) = of_memory(checked("", *LARGE, machine=LAPTOP))
    assert finding.level == "warning" and finding.problem.endswith("of the 8 GiB of this machine")


def test_a_recipe_for_a_gpu_is_not_held_against_a_laptop(checked: Check) -> None:
    assert of_memory(checked("", *LARGE, "bf16=true", machine=LAPTOP)) == []
    # But none that is made would hold this one.
    full = ("bf16=true", "finetuning_type=full", "learning_rate=1e-6", "model_name_or_path=Qwen/Qwen3-32B")
    (finding,) = of_memory(checked("", *LARGE, *full, machine=LAPTOP))
    assert finding.level == "warning" and "of B200" in finding.problem


def test_a_share_of_vllm_that_cannot_hold_the_weights_is_told(checked: Check) -> None:
    keys = (*LARGE, "bf16=true", "use_vllm=true", "vllm_gpu_util=0.1")
    (finding,) = of_memory(checked("", *keys, machine=card("NVIDIA H100 80GB HBM3")))
    assert finding.key == "vllm_gpu_util" and "too little for vLLM's own copy" in finding.problem


def test_the_driver_is_asked_for_the_cards_memory(checked: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grpoctl.estimate.devices._memory_by_driver", lambda: 12.0)
    (finding,) = of_memory(checked("", *LARGE, "bf16=true", machine=card("a card that nobody knows")))
    assert finding.problem.endswith("of the 12 GiB of a card that nobody knows")


def test_a_model_that_is_not_known_is_not_reckoned(checked: Check) -> None:
    assert of_memory(checked("", "model_name_or_path=some/model", machine=card("NVIDIA T4"))) == []
