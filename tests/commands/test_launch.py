"""Job files for Slurm and Kubernetes: right to the shell and to a YAML reader, submitted on request."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from grpoctl import cli
from grpoctl.clusters import job_name, minutes_of
from grpoctl.errors import InputError


def written(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["launch", "quickstart", *words]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["launch", "quickstart", *words]) in (1, 2)
    return capsys.readouterr().err


ODD = """system_prompt=it's "$HOME" `id`"""


def test_a_slurm_script_is_right_to_bash_and_keeps_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--on", "slurm", "--nodes", "2", "--gpus", "8", "--time", "1-02:30:00", "--partition", "a b")
    text = written(capsys, ODD, "output_dir=/shared/run", *words)
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    asked = [shlex.split(line)[1] for line in text.splitlines() if line.startswith("#SBATCH")]
    assert {
        "--nodes=2",
        "--cpus-per-task=64",
        "--gpus-per-node=8",
        "--time=1590",
        "--partition=a b",
        "--ntasks-per-node=1",
    } <= set(asked)
    assert shlex.split(text.splitlines()[-1]) == [
        "grpoctl", "train", "quickstart", ODD, "output_dir=/shared/run", "nnodes=2", "nproc_per_node=8",
    ]  # fmt: skip


def test_each_machine_of_a_slurm_job_knows_its_number_and_the_first_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = written(capsys, ODD, "output_dir=/shared/run", "--on", "slurm", "--nodes", "2")
    for name, script in {
        "srun": 'shift; SLURM_NODEID=1 exec "$@"',
        "scontrol": 'printf "node-a\\nnode-b\\n"',
        "grpoctl": 'echo "$NODE_RANK $MASTER_ADDR $MASTER_PORT"; printf "%s\\n" "$@"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    around = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "SLURM_JOB_ID": "12",
        "SLURM_CPUS_PER_TASK": "8",
        "SLURM_JOB_NODELIST": "node-[a-b]",
    }
    done = subprocess.run(["bash"], input=text, text=True, capture_output=True, env=around, check=True)
    assert done.stdout.splitlines()[:4] == ["1 node-a 29512", "train", "quickstart", ODD]


def kubernetes(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    parts = yaml.safe_load_all(written(capsys, "--on", "k8s", "--image", "here/grpoctl", *words))
    return {part["kind"]: part for part in parts}


def test_a_kubernetes_job_has_a_pod_for_each_machine_that_finds_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--nodes", "2", "--gpus", "4", "--claim", "runs", "--time", "60")
    parts = kubernetes(capsys, ODD, "output_dir=/runs/one", *words)
    spec = parts["Job"]["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (2, 2, "Indexed")
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 3600)
    pod = spec["template"]["spec"]
    [container] = pod["containers"]
    assert container["command"][:4] == ["grpoctl", "train", "/recipe/recipe.yaml", ODD]
    assert container["command"][-2:] == ["nnodes=2", "nproc_per_node=4"]
    assert container["resources"] == {"limits": {"nvidia.com/gpu": 4}}
    said = {each["name"]: each.get("value") for each in container["env"]}
    name = parts["Service"]["metadata"]["name"]
    assert said["MASTER_ADDR"] == f"{name}-0.{name}" and pod["subdomain"] == name
    assert parts["Service"]["spec"]["selector"] == {"job-name": parts["Job"]["metadata"]["name"]}
    assert "NODE_RANK" in said and yaml.safe_load(parts["ConfigMap"]["data"]["recipe.yaml"])["stage"] == "grpo"


def test_one_machine_without_a_gpu_asks_for_none(capsys: pytest.CaptureFixture[str]) -> None:
    parts = kubernetes(capsys, "--gpus", "0")
    assert "Service" not in parts
    assert "resources" not in parts["Job"]["spec"]["template"]["spec"]["containers"][0]
    text = written(capsys, "--on", "slurm", "--gpus", "0")
    assert "gpus-per-node" not in text and "nproc_per_node=1" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--on", "k8s"), "--image: is missing; name an image that has grpoctl."),
        (("--on", "k8s", "--image", "i", "--nodes", "2", "output_dir=/runs/a"), "--claim: is missing"),
        (("--on", "slurm", "--nodes", "2"), "output_dir: is missing, and nnodes is 2"),
        (("--on", "slurm", "--nodes", "0"), "--nodes: is 0; use 1 or more."),
        (("--on", "slurm", "--time", "soon"), "--time: is soon; write minutes, or HH:MM:SS."),
        (("--on", "slurm", "engine=tunix"), "engine: is tunix"),
        (("--on", "slurm", "lora_rank=0"), "lora_rank: is 0"),
        (("--on", "slurm", "node_rank=1"), "node_rank: is for the cluster to say; take it out."),
        (("--on", "slurm", "master_addr=a"), "master_addr: is for the cluster to say; take it out."),
        (("--on", "slurm", "--cpus", "0"), "--cpus: is 0; use 1 or more."),
        (("--on", "slurm", "--to", "/nowhere/job.sh"), "/nowhere/job.sh: cannot be written"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert said in refused(capsys, *words)


def test_a_job_is_submitted_on_request(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "sbatch: is not on this machine" in refused(capsys, "--on", "slurm", "--submit")
    (tmp_path / "sbatch").write_text(f"#!/bin/sh\n/bin/cat > {tmp_path}/got\necho Submitted batch job 7\n")
    (tmp_path / "sbatch").chmod(0o755)
    told = json.loads(written(capsys, "--on", "slurm", "--submit", "--json"))
    assert told["submitted"] == "Submitted batch job 7" and (tmp_path / "got").read_text() == told["text"]
    (tmp_path / "sbatch").write_text("#!/bin/sh\necho 'invalid partition' >&2; exit 1\n")
    assert "sbatch: refuses the job (invalid partition)." in refused(capsys, "--on", "slurm", "--submit")


def test_a_file_that_is_there_stays(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("mine")
    said = refused(capsys, "--on", "slurm", "--to", str(tmp_path / "my.yaml"))
    assert "my.yaml: is there already; name another, or remove it." in said
    assert (tmp_path / "my.yaml").read_text() == "mine"
    assert "wrote" in written(capsys, "--on", "slurm", "--sbatch=--account=x y", "--to", str(tmp_path / "job.sh"))
    assert "#SBATCH '--account=x y'" in (tmp_path / "job.sh").read_text()


def test_times_and_names_as_clusters_write_them() -> None:
    assert [minutes_of(said) for said in ("90", "1:30", "12:00:00", "2-00:00:01", "0:00:30")] == [90, 90, 720, 2881, 1]
    assert job_name("recipes/Qwen3 8B_gsm8k.yaml") == "grpoctl-qwen3-8b-gsm8k"
    with pytest.raises(InputError):
        minutes_of("1:2:3:4")
