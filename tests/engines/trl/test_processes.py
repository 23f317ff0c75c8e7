"""Several processes by torchrun: they share the work, end together, and go on in another number."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

from support import SMALL

from grpoctl.run import checkpoints
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import read_events
from grpoctl.run.process import descendants
from grpoctl.run.view import view_run

TWO = (*SMALL, "nproc_per_node=2", "per_device_train_batch_size=1")


def grpoctl(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grpoctl", *words],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def wait_until(is_there: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 100) -> None:
    latest = time.monotonic() + seconds
    while not is_there():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < latest
        time.sleep(0.05)


@contextmanager
def going(run: RunDirectory, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A run in several processes that has written its first checkpoint."""
    command = [sys.executable, "-m", "grpoctl", "train", "quickstart", *TWO, "max_steps=1000", *words]
    with subprocess.Popen(
        [*command, f"output_dir={run.path}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            wait_until(lambda: any(event["event"] == ev.CHECKPOINT for event in read_events(run.events)[0]), process)
            yield process
        finally:
            for pid in [*descendants(process.pid), process.pid]:
                with_pid(pid, signal.SIGKILL)


def with_pid(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def worker(process: subprocess.Popen[str], rank: int) -> int:
    """The process of that rank."""
    for pid in descendants(process.pid):
        try:
            around = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"RANK={rank}".encode() in around and b"grpoctl.engines.trl.agent" not in command_of(pid):
            return pid
    raise AssertionError(f"no rank {rank}")


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_two_processes_train_stop_and_go_on_as_one_and_as_two_again(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with going(run) as process:
        workers = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + signal.SIGINT, said
    assert said.count("Stopping behind this step") == 1
    view = view_run(run)
    assert view.status == "stopped"
    assert checkpoints.newest_whole(run)[0] == run.checkpoint(view.step)
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    def drawn(step: int) -> tuple[int, int]:
        samples = [json.loads(line) for line in run.completions(step).read_text().splitlines()]
        return len(samples), len({sample["prompt"] for sample in samples})

    # 1 prompt x 2 processes x 4 answers, both processes' in one file
    assert drawn(view.step) == (8, 2)

    for processes in (1, 2):
        step = view_run(run).step
        again = grpoctl("train", "--resume", str(run.path), f"max_steps={step + 2}", f"nproc_per_node={processes}")
        assert again.returncode == 0, again.stderr
        assert f"going on from checkpoint-{step}" in again.stdout
        assert "warning" not in again.stderr and "error" not in again.stderr
        assert view_run(run).status == "finished"
        assert drawn(step + 2) == (8, 2)
        resolved = json.loads(run.resolved.read_text())
        assert resolved["gradient_accumulation_steps"] * processes == 2

    refused = grpoctl("train", "--resume", str(run.path), f"max_steps={step + 9}", "nproc_per_node=3")
    assert refused.returncode == 2
    assert "nproc_per_node: makes 3 in all, which cannot share a step's 2 prompts" in refused.stderr


def test_one_that_is_killed_ends_the_run_with_its_name(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with going(run) as process:
        os.kill(worker(process, 1), signal.SIGKILL)
        began = time.monotonic()
        said = process.communicate(timeout=60)[0]
    assert time.monotonic() - began < 30
    reason = "rank 1: was ended by SIGKILL, as the system does where memory runs out."
    assert process.returncode == 1 and said.splitlines()[-1] == f"error: {reason}"
    assert "Traceback" not in said and "torch" not in said.replace("PyTorch", "")
    assert view_run(run).error == reason and f"failed: {reason}" in run.log.read_text()


@pytest.fixture
def given(tmp_path: Path) -> str:
    """A reward, and completions that follow from the prompt and the step alone, whoever draws them."""
    path = tmp_path / "given.py"
    path.write_text(GIVEN, encoding="utf-8")
    return f"reward_funcs={path}:length"


GIVEN = """
import os, random, time
from grpoctl.engines.trl.trainer import GroupTrainer

def drawn(trainer, prompt_ids, *args, **kwargs):
    step, rank = trainer.state.global_step, os.environ.get("RANK")
    trainer._at("drawing completions")
    if step == 2 and rank == "1" and os.environ.get("FAULT") == "raise":
        raise ValueError("rank 1 has had enough")
    if step == 2 and rank == "1" and os.environ.get("FAULT") == "hang":
        time.sleep(100)
    trainer._at("behind its completions")
    rows = []
    for place, ids in enumerate(prompt_ids):
        draw = random.Random(repr((ids, place % 4, step)))
        rows.append([draw.randrange(20, 200) for _ in range(draw.randrange(4, 20))] + [trainer._ends[0]])
    return rows, None

GroupTrainer._generate_single_turn = drawn

def length(completion, answer):
    return len(completion) % 7 / 7
"""


def test_ones_own_failure_is_shown_and_not_that_others_lost_it(tmp_path: Path, given: str) -> None:
    run = RunDirectory(tmp_path / "run")
    result = grpoctl("train", "quickstart", *TWO, given, f"output_dir={run.path}", FAULT="raise")
    reason = "rank 1: ValueError: rank 1 has had enough"
    assert result.returncode == 1 and result.stderr.splitlines()[-1] == f"error: {reason}"
    assert "Traceback" not in result.stdout + result.stderr
    assert view_run(run).error == reason
    assert 'raise ValueError("rank 1 has had enough")' in run.log.read_text()


def test_one_that_hangs_is_named_with_what_it_is_at(tmp_path: Path, given: str) -> None:
    words = (*TWO, given, "ddp_timeout=6", f"output_dir={tmp_path / 'run'}")
    result = grpoctl("train", "quickstart", *words, FAULT="hang")
    assert result.returncode == 1
    assert "warning: rank 1 is drawing completions in step 3, and 1 other waits since " in result.stdout
    said = "error: rank 1 is drawing completions in step 3, and 1 other waits since 6 s (ddp_timeout: 6)"
    assert result.stderr.splitlines()[-1].startswith(said)
    assert "given.py" in (tmp_path / "run" / "train.log").read_text()


def weights(run: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(run / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of the given completions, with the global batch of two."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "given.py").write_text(GIVEN, encoding="utf-8")
    words = (*SMALL, *FEW, "per_device_train_batch_size=1", "gradient_accumulation_steps=2")
    reward = f"reward_funcs={folder}/given.py:length"
    result = grpoctl("train", "quickstart", *words, reward, f"output_dir={folder / 'run'}")
    assert result.returncode == 0, result.stderr
    return folder / "run"


FEW = ("max_steps=3", "eval_dataset=tiny_arithmetic_test", "per_device_eval_batch_size=16")

# accelerate splits nothing on a CPU, where the key is refused; here it is made to, as the reward is loaded.
SPLIT_ON_CPU = """
from accelerate import state
from accelerate.utils import DistributedType

made = state.AcceleratorState.__init__

def on_cpu(self, *args, fsdp_plugin=None, **others):
    made(self, *args, fsdp_plugin=fsdp_plugin, **others)
    plugin = fsdp_plugin or self.__dict__.get("fsdp_plugin")
    if plugin is not None:
        self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, plugin

state.AcceleratorState.__init__ = on_cpu
"""


# DDP makes the same sums as one process, in the same order; the others keep the gradient in parts, which they add up.
@pytest.mark.parametrize(
    "split, tolerance", [("", 0), ("deepspeed=z2", 1e-5), ("deepspeed=z3", 1e-5), ("fsdp=full_shard", 1e-5)]
)
def test_two_processes_come_to_the_weights_of_one(
    tmp_path: Path, given: str, alone: Path, split: str, tolerance: float
) -> None:
    if split.startswith("deepspeed"):
        pytest.importorskip("deepspeed")
    if split.startswith("fsdp"):
        with (tmp_path / "given.py").open("a", encoding="utf-8") as file:
            file.write(SPLIT_ON_CPU)
    run = RunDirectory(tmp_path / "run")
    words = (*TWO, *FEW, given, *([split] if split else []), f"output_dir={run.path}")
    result = grpoctl("train", "quickstart", *words)
    assert result.returncode == 0, result.stderr
    ours, theirs = weights(run.path), weights(alone)
    assert ours.keys() == theirs.keys()
    apart = sum(float(((ours[name] - theirs[name]).double() ** 2).sum()) for name in ours)
    size = sum(float((theirs[name].double() ** 2).sum()) for name in theirs)
    assert (apart / size) ** 0.5 <= tolerance
    assert evals(run) == evals(RunDirectory(alone))


def evals(run: RunDirectory) -> list[tuple[int, float]]:
    return [(found["step"], found["accuracy"]) for found in view_run(run).evals]


def two_machines(run: Path, *second: str) -> list[subprocess.CompletedProcess[str]]:
    """Two commands with one process each, as on two machines that see one folder."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    words = (*SMALL, "max_steps=2", "per_device_train_batch_size=1", "nnodes=2", "master_addr=localhost")
    command = [sys.executable, "-m", "grpoctl", "train", "quickstart", *words, f"master_port={port}"]
    started = [
        subprocess.Popen(
            [*command, f"output_dir={run}", f"node_rank={rank}", *(second if rank else ())],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    done = []
    for process in started:
        out, err = process.communicate(timeout=100)
        done.append(subprocess.CompletedProcess(process.args, process.returncode, out, err))
    return done


def test_two_machines_train_one_run(tmp_path: Path) -> None:
    first, second = two_machines(tmp_path / "run")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "step 2/2" in first.stdout + first.stderr and "step 2/2" not in second.stdout + second.stderr
    assert "taking part in" in second.stdout
    view = view_run(RunDirectory(tmp_path / "run"))
    assert (view.status, view.step) == ("finished", 2)


def test_machines_with_different_recipes_end_with_the_key(tmp_path: Path) -> None:
    done = two_machines(tmp_path / "run", "learning_rate=1e-7")
    for result in done:
        assert result.returncode == 2, result.stdout + result.stderr
        assert "error: learning_rate: is 0.002 on rank 0, and rank 1, on" in result.stderr
        assert "has 1e-07; start every machine with the same recipe." in result.stderr


def test_a_port_in_use_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = grpoctl("train", "quickstart", *TWO, f"master_port={port}", f"output_dir={tmp_path / 'run'}")
    assert result.returncode == 2
    assert f"master_port: is {port}, and nothing can listen there (address already in use)" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_worker_that_is_not_one_of_so_many_says_so(tmp_path: Path) -> None:
    result = grpoctl("train", "quickstart", *SMALL, f"output_dir={tmp_path / 'run'}", WORLD_SIZE="3")
    assert result.returncode == 1
    assert "nproc_per_node: is 1, and 3 processes were started; start it by grpoctl train." in result.stderr
