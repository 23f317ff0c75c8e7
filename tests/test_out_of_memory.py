"""An error is told as memory that ran out where it is that, with the keys to change, and passed on where it is not."""

import sys
from dataclasses import dataclass

import pytest

from grpoctl import memory_lack, out_of_memory
from grpoctl.errors import GrpoctlError
from grpoctl.machine import Machine
from grpoctl.memory_lack import lack_of
from grpoctl.out_of_memory import OutOfMemory
from grpoctl.preflight import check
from grpoctl.preflight.result import Preflight
from grpoctl.recipe.load import read_recipe

H100 = Machine("server", 16, 128.0, 500.0, ("NVIDIA H100 80GB HBM3",), 0)
LARGE = ("model_name_or_path=Qwen/Qwen3-8B", "bf16=true", "max_prompt_length=512", "max_completion_length=1024")


class JaxRuntimeError(RuntimeError):
    """By the name of JAX's own."""


class OutOfMemoryError(RuntimeError):
    """By the name of torch's own."""


CUDA = OutOfMemoryError(
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 256.00 MiB is "
    "free."
)
CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "4294967296 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (CUDA, 2.0),
        (CPU, 4.0),
        (JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8.00GiB."), 8.0),
        (JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1073741824 bytes."), 1.0),
        (MemoryError("Unable to allocate 512. MiB for an array with shape (1,)"), 0.5),
        (MemoryError(), None),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), None),
    ],
)
def test_each_librarys_words_are_known(error: Exception, asked: float | None) -> None:
    lack = lack_of(error)
    assert lack is not None and lack.asked_gib == asked


def test_what_was_free_is_read_from_the_error_or_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(lack_of(CUDA)).startswith("out of memory: 2.00 GiB were asked for where 0.25 GiB were free on ")
    monkeypatch.setattr(memory_lack, "free_memory_gib", lambda: 1.5)
    said = "out of memory: 4.00 GiB were asked for where 1.50 GiB were free on this machine"
    assert str(lack_of(CPU)) == said
    monkeypatch.setattr(memory_lack, "free_memory_gib", lambda: None)
    assert str(lack_of(MemoryError())) == "out of memory: more was asked for on this machine"


def test_a_gpus_free_memory_is_asked_for_where_the_error_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Cuda:
        def is_available(self) -> bool:
            return True

        def mem_get_info(self) -> tuple[int, int]:
            return 2**29, 80 * 2**30

        def get_device_name(self) -> str:
            return "NVIDIA H100"

    @dataclass
    class Torch:
        cuda: Cuda

    monkeypatch.setitem(sys.modules, "torch", Torch(Cuda()))
    assert str(lack_of(RuntimeError("CUDA error: out of memory"))).endswith("0.50 GiB were free on NVIDIA H100")


@pytest.mark.parametrize("error", [ValueError("out of memory"), RuntimeError("shapes differ"), GrpoctlError("no")])
def test_other_errors_pass(error: Exception) -> None:
    assert lack_of(error) is None
    with pytest.raises(type(error)), out_of_memory.in_words(Preflight()):
        raise error


@pytest.mark.usefixtures("every_engine")
def test_the_smallest_changes_are_named_though_the_estimate_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out_of_memory, "read_machine", lambda: H100)
    found = check(read_recipe("quickstart", [*LARGE, "per_device_train_batch_size=4"]), H100)
    assert found.errors == []
    with pytest.raises(OutOfMemory) as caught, out_of_memory.in_words(found):
        raise CUDA
    said = str(caught.value)
    assert "; it takes less with " in said and said.endswith(".") and "\n" not in said
    assert "disable_gradient_checkpointing=false" in said or "per_device_train_batch_size=2" in said


def test_a_network_on_digits_has_keys_of_its_own() -> None:
    found = Preflight(recipe=read_recipe("mnist_grpo", []).recipe)
    with (
        pytest.raises(OutOfMemory, match="lower per_device_train_batch_size or num_generations"),
        out_of_memory.in_words(found),
    ):
        raise MemoryError
