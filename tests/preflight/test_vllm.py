"""The version of vLLM is held against the range that TRL names, before anything is loaded or written."""

from collections.abc import Callable

import pytest
from support import GPU

from grpoctl.errors import InputError
from grpoctl.plan import plan_new, refuse_missing_packages
from grpoctl.preflight import Preflight, vllm

pytestmark = pytest.mark.usefixtures("every_engine")


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Sets the version that is installed, beside a TRL that knows 0.22.0 to 0.31.0."""
    monkeypatch.setattr(vllm, "known_to_trl", lambda: ("0.22.0", "0.31.0"))

    def install(version: str | None) -> None:
        monkeypatch.setattr(vllm, "installed_version", lambda package: version)

    return install


@pytest.mark.parametrize("version", ["0.22.0", "0.24.0+cu129", "0.31.0", "0.31", None])
def test_a_version_in_the_range_is_passed_over(
    version: str | None, checked: Callable[..., Preflight], versions: Callable[[str | None], None]
) -> None:
    versions(version)
    assert checked("use_vllm: true\n", "bf16=true", machine=GPU).warnings == []


@pytest.mark.parametrize("version", ["0.21.3", "0.31.1", "1.0.0", "0.9.2"])
def test_one_outside_is_a_warning_of_check_and_no_start(
    version: str,
    checked: Callable[..., Preflight],
    versions: Callable[[str | None], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versions(version)
    said = f"use_vllm: is true, and vLLM is {version}, where TRL knows 0.22.0 to 0.31.0; install one of them: "
    (finding,) = checked("use_vllm: true\n", "bf16=true", machine=GPU).warnings
    assert said in str(finding)
    monkeypatch.setattr("grpoctl.plan.missing_packages", lambda packages: [])
    plan = plan_new("quickstart", ["use_vllm=true"])
    with pytest.raises(InputError) as caught:
        refuse_missing_packages(plan)
    assert said in str(caught.value)


def test_without_vllm_in_the_recipe_no_version_matters(versions: Callable[[str | None], None]) -> None:
    versions("0.1.0")
    assert vllm.vllm_fault(plan_new("quickstart", []).recipe) is None


def test_the_range_stands_in_trls_own_source() -> None:
    pytest.importorskip("trl")
    known = vllm.known_to_trl()
    assert known is not None and vllm._numbers(known[0]) < vllm._numbers(known[1])
