import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support import GPU, LAPTOP

from grpoctl.preflight import Preflight, check
from grpoctl.recipe.load import read_recipe

pytestmark = pytest.mark.usefixtures("every_engine")


def test_an_output_folder_in_use_is_an_error_unless_the_recipe_allows_it(
    checked: Callable[..., Preflight], tmp_path: Path
) -> None:
    used = tmp_path / "used"
    used.mkdir()
    assert checked("", f"output_dir={used}").errors == []
    (used / "events.jsonl").touch()
    assert [finding.key for finding in checked("", f"output_dir={used}").errors] == ["output_dir"]
    assert checked("", f"output_dir={used}", "overwrite_output_dir=true").errors == []
    assert checked("", f"output_dir={used}", "resume_from_checkpoint=true").errors == []
    assert checked("", f"output_dir={used}/events.jsonl").errors[0].fix == "name a folder"


def test_what_this_machine_lacks_is_a_warning(checked: Callable[..., Preflight]) -> None:
    extra = "bf16: true\nuse_vllm: true\nquantization_bit: 4\n"
    assert {finding.key for finding in checked(extra).warnings} >= {"bf16", "use_vllm", "quantization_bit"}
    assert checked(extra, machine=GPU).warnings == []
    assert checked(extra).errors == []


def test_a_deepspeed_file_has_to_be_there(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    assert checked("", "deepspeed=z3").errors == []
    assert [finding.key for finding in checked("", f"deepspeed={tmp_path}/ds.json").errors] == ["deepspeed"]


def test_an_engine_that_is_not_installed_is_a_warning_with_the_command(
    checked: Callable[..., Preflight], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grpoctl.preflight.surroundings.missing_packages", lambda packages: ["trl", "peft"])
    (finding,) = checked().warnings
    assert str(finding).endswith(
        "engine: is trl, and this Python lacks trl, peft; install them: pip install 'grpoctl[trl]'."
    )


def test_files_that_the_recipe_names_have_to_be_there(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    for key in ("adapter_name_or_path", "resume_from_checkpoint", "dataset_dir", "deepspeed"):
        assert [finding.key for finding in checked("", f"{key}={tmp_path}/gone").errors] == [key]


def test_a_checkpoint_is_gone_on_from_in_the_folder_of_its_run(
    checked: Callable[..., Preflight], tmp_path: Path
) -> None:
    checkpoint = tmp_path / "run" / "checkpoint-2"
    checkpoint.mkdir(parents=True)
    for output in ([], [f"output_dir={tmp_path / 'new'}"]):
        (finding,) = checked("", f"resume_from_checkpoint={checkpoint}", *output).errors
        assert (finding.key, finding.fix) == ("resume_from_checkpoint", f"set output_dir: {tmp_path / 'run'}")
    (tmp_path / "run" / "manifest.json").write_text("{}")
    assert checked("", f"resume_from_checkpoint={checkpoint}", f"output_dir={tmp_path / 'run'}").errors == []


def test_a_dollar_in_a_path_is_a_warning(checked: Callable[..., Preflight]) -> None:
    assert [finding.key for finding in checked("", "output_dir=$HOME/x").warnings] == ["output_dir"]


def test_packages_that_keys_ask_for_are_named(
    checked: Callable[..., Preflight], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "grpoctl.preflight.surroundings.missing_packages",
        lambda packages: [p for p in packages if p in ("wandb", "vllm")],
    )
    found = checked("report_to: wandb,tensorboard\nuse_vllm: true\n", machine=GPU)
    assert {(finding.key, finding.fix) for finding in found.warnings} == {
        ("report_to", "install it: pip install wandb"),
        ("use_vllm", "install it: pip install vllm"),
    }


def test_more_processes_than_gpus_or_cores_is_a_warning(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("nproc_per_node: 8\n", machine=GPU).warnings
    assert finding.problem == "is 8, and this machine has 1 GPU"
    (finding,) = checked("nproc_per_node: 64\n").warnings
    assert finding.problem == f"is 64, and this machine has {LAPTOP.cpu_count} cores"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="takes root to become another user")
def test_an_output_folder_that_may_not_be_written_is_an_error(
    checked: Callable[..., Preflight], tmp_path: Path
) -> None:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    found = checked("", f"output_dir={tmp_path}/new")
    assert found.errors == []
    os.seteuid(65534)
    try:
        (finding,) = checked_again(tmp_path).errors
    finally:
        os.seteuid(0)
    assert finding.problem == f"is {tmp_path}/new, and you may not write to {tmp_path}"


@pytest.mark.parametrize("output", ["/dev/null/x", "/dev/null", "a" * 300])
def test_an_output_folder_that_cannot_be_is_an_error(checked: Callable[..., Preflight], output: str) -> None:
    assert [finding.key for finding in checked("", f"output_dir={output}").errors] == ["output_dir"]


def test_engines_for_elsewhere_are_warned_of(
    checked: Callable[..., Preflight], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.version_info", (3, 12))
    found = checked("", "engine=maxtext", "model_name_or_path=tiny")
    assert [finding.problem for finding in found.warnings] == [
        "is meant for TPUs under engine maxtext, and none is here"
    ]
    monkeypatch.setattr("sys.version_info", (3, 11))
    found = checked("", "engine=maxtext", "model_name_or_path=tiny")
    assert "is maxtext, which needs Python 3.12" in [finding.problem for finding in found.warnings]


def test_the_extra_of_the_mlp_engine_is_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grpoctl.preflight.surroundings.missing_packages", lambda packages: ["jax"])
    path = tmp_path / "m.yaml"
    path.write_text("hidden_sizes: [128]\ndataset: mnist\n")
    fixes = [finding.fix for finding in check(read_recipe(str(path)), LAPTOP).warnings]
    assert "install them: pip install 'grpoctl[mnist]'" in fixes


def checked_again(folder: Path) -> Preflight:
    """The recipe that is already in a folder, as whoever asks."""
    return check(read_recipe(str(folder / "r.yaml"), (f"output_dir={folder}/new",)), LAPTOP)


def test_devices_that_cannot_be_here_are_a_warning_on_jax(
    checked: Callable[..., Preflight], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.delenv("JAX_NUM_CPU_DEVICES", raising=False)

    def warned(*overrides: str) -> list[str]:
        found = checked("engine: tunix\n", *overrides).warnings
        return [f"{finding.key}: {finding.problem}" for finding in found if "mesh" in finding.key]

    assert warned() == []
    assert warned("mesh.fsdp=2", "mesh.tensor=2") == ["mesh: asks for 4 devices, and this machine has 1"]
    assert warned("rollout_mesh.fsdp=1") == [
        "rollout_mesh: asks for 2 devices, with those of mesh, and this machine has 1"
    ]
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
    assert warned("mesh.fsdp=2", "mesh.tensor=2") == []


def test_a_layer_that_no_model_of_tunix_has_is_an_error(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("engine: tunix\n", "lora_target=q_proj,c_attn").errors
    assert finding.key == "lora_target" and finding.problem.startswith("names c_attn, and the layers are q_proj, ")


def test_a_layer_that_the_model_lacks_is_an_error_on_trl(checked: Callable[..., Preflight]) -> None:
    assert checked("", "lora_target=q_proj,self_attn.v_proj").errors == []
    for target in ("foo", "lm_head"):  # TRL trains no adapters on the head
        (finding,) = checked("", f"lora_target={target}").errors
        assert finding.key == "lora_target"
        assert finding.problem.startswith(f"names {target}, and this model's layers are down_proj, ")


def test_a_trace_longer_than_the_run_is_a_warning(checked: Callable[..., Preflight]) -> None:
    found = checked("engine: tunix\nprofile_steps: 3\n", "max_steps=3").warnings
    assert [finding.key for finding in found if "steps" in finding.key] == ["profile_steps"]
    assert checked("engine: tunix\nprofile_steps: 3\n", "max_steps=5").warnings == []
