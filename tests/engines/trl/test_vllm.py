"""Around TRL's seams vLLM is waited for, given a time to start in, heard when it ends, and its weights are checked.

vLLM itself needs a GPU; here stand fakes for it.
"""

import http.server
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

from support import SMALL

from grpoctl import shipped
from grpoctl.engines.base import TrainJob
from grpoctl.engines.trl import vllm
from grpoctl.engines.trl.stirred import can_stir, stirred
from grpoctl.engines.trl.vllm import VllmError
from grpoctl.engines.trl.vllm_weights import probe
from grpoctl.job import make_job
from grpoctl.plan import plan_new
from grpoctl.recipe.schema import Recipe
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Stream, read_events
from grpoctl.run.stop import StopRequest


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def server_recipe(port: int, timeout_s: float = 0.3, **changes: Any) -> Recipe:
    return Recipe(
        model_name_or_path="Qwen/Qwen3-0.6B", use_vllm=True, vllm_mode="server", vllm_server_port=port,
        vllm_server_timeout=timeout_s, **changes,
    )  # fmt: skip


def test_a_server_that_is_not_there_is_told_with_how_to_start_it() -> None:
    port = free_port()
    with pytest.raises(VllmError) as caught:
        vllm.wait_for_server(server_recipe(port), between_s=0.05)
    said = str(caught.value)
    assert said.startswith(f"vllm_server_host: no vLLM server answers at 127.0.0.1:{port} in 0.3 s (")
    assert f"start it: trl vllm-serve --model Qwen/Qwen3-0.6B --port {port}" in said and "\n" not in said


class Healthy(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def test_a_server_that_comes_up_is_waited_for() -> None:
    Healthy.asked.clear()
    port = free_port()

    def serve_late() -> None:
        time.sleep(0.3)
        with http.server.HTTPServer(("127.0.0.1", port), Healthy) as server:
            server.handle_request()

    thread = threading.Thread(target=serve_late)
    thread.start()
    vllm.wait_for_server(server_recipe(port, timeout_s=20), between_s=0.05)
    thread.join()
    assert Healthy.asked == ["/health"]


# --- a start


def job_of(tmp_path: Path, **changes: Any) -> TrainJob:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    recipe = server_recipe(8000).model_copy(update={"vllm_mode": "colocate", **changes})
    none: Any = None
    stream = Stream([ev.EventFile(run.events)])
    return TrainJob(recipe, tmp_path, [], [], none, 1, run, stream, lambda: None)


def test_a_start_that_hangs_is_ended_with_a_reason(tmp_path: Path) -> None:
    job = job_of(tmp_path, ddp_timeout=1)
    began = time.monotonic()
    with (
        pytest.raises(VllmError, match=r"vLLM has not started in 1 s \(it in this process, ddp_timeout\)"),
        vllm.in_time(job),
    ):
        time.sleep(20)
    assert time.monotonic() - began < 5
    time.sleep(0.01)  # the alarm is off again
    with vllm.in_time(job):
        pass


def test_one_that_no_signal_reaches_loses_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(tmp_path)
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    vllm._end_process(job, "vLLM has not started")
    (failed,) = [event for event in read_events(job.run.events)[0] if event["event"] == ev.RUN_FAILED]
    assert codes == [1] and failed["error"] == "vLLM has not started"


def test_a_start_that_fails_is_one_line(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    with (
        pytest.raises(VllmError, match=r"^use_vllm: vLLM does not start \(ValueError: no room for the cache\); see "),
        vllm.in_time(job),
    ):
        raised_in("vllm.v1.engine", ValueError("no room for the cache"))
    with pytest.raises(ValueError, match="of the trainer's own"), vllm.in_time(job):
        raise ValueError("of the trainer's own")


def raised_in(module: str, error: Exception) -> None:
    """As if code of that module had raised it."""
    exec("raise error", {"__name__": module, "error": error})


# --- in a run


def test_a_vllm_that_ends_in_mid_run_is_told_with_how_to_go_on() -> None:
    generation = FakeVllm(torch.nn.Module())
    with pytest.raises(VllmError) as caught, vllm.alive(generation, 7, "my-run"):
        raised_in("trl.generation.vllm_client", ConnectionError("refused"))
    assert str(caught.value) == (
        "step 7: vLLM in this process no longer answers (ConnectionError: refused); "
        "go on: grpoctl train --resume my-run."
    )
    generation.mode = "server"
    with (
        pytest.raises(VllmError, match=r"the vLLM server at h:1 .*start it again .*--resume my-run"),
        vllm.alive(generation, 7, "my-run"),
    ):
        raised_in("trl.generation.vllm_client", Exception("Request failed: 500, dead"))
    with pytest.raises(MemoryError), vllm.alive(generation, 7, "my-run"):
        raised_in("trl.generation.vllm_generation", MemoryError("tried to allocate 2 GiB"))


def test_requests_to_a_server_end_in_time() -> None:
    @dataclass
    class Session:
        given: list[Any] = field(default_factory=list)

        def request(self, method: str, url: str, **kwargs: Any) -> None:
            self.given.append(kwargs["timeout"])

    @dataclass
    class Client:
        session: Session = field(default_factory=Session)

    @dataclass
    class Generation:
        vllm_client: Client = field(default_factory=Client)

    generation = Generation()
    vllm.limit_requests(generation, 60.0)
    generation.vllm_client.session.request("GET", "http://h/health")
    assert generation.vllm_client.session.given == [(10.0, 60.0)]


# --- the weights


class FakeVllm:
    """In place of TRL's VLLMGeneration: a copy of the model, that weights arrive at when they are sent."""

    mode, server_host, server_port = "colocate", "h", 1
    top_k, top_p, min_p, repetition_penalty, temperature = 50, 0.7, 0.1, 1.1, 1.0
    max_completion_length = 24

    def __init__(self, model: Any, *_: Any, arrive: bool = True, shifted: float = 0.0, **__: Any) -> None:
        self.model, self.arrive, self.shifted = model, arrive, shifted
        self.generation_kwargs: dict[str, Any] = {}
        self.sent, self.asked = 0, 0
        self.copy: dict[str, Any] | None = None

    def _merged(self) -> dict[str, Any]:
        """As TRL does: merged in place, read, and taken apart again."""
        if not isinstance(self.model, peft.PeftModel):
            return {name: weight.detach().clone() for name, weight in self.model.state_dict().items()}
        self.model.merge_adapter()
        own = {
            name.removeprefix("base_model.model.").replace(".base_layer", ""): weight.detach().clone()
            for name, weight in self.model.state_dict().items()
            if "lora_" not in name
        }
        self.model.unmerge_adapter()
        return own

    def sync_weights(self) -> None:
        self.sent += 1
        if self.arrive or self.copy is None:
            self.copy = self._merged()

    def generate(self, prompts: Any, images: Any, num_generations: int, profiler: Any = None) -> Any:
        self.asked += 1
        core = transformers.AutoModelForCausalLM.from_pretrained(shipped.MODELS["tiny"]).eval()
        core.load_state_dict(self.copy, strict=False)
        chance = torch.Generator().manual_seed(self.asked)
        ids, scores = [], []
        with torch.no_grad():
            for prompt in prompts:
                row, own = list(prompt), []
                for _ in range(min(self.max_completion_length, 6)):
                    log_probs = core(input_ids=torch.tensor([row])).logits[0, -1].log_softmax(-1)
                    token = int(torch.multinomial(log_probs.exp(), 1, generator=chance))
                    own.append([float(log_probs[token]) + self.shifted])
                    row.append(token)
                ids.append(row[len(prompt) :])
                scores.append(own)
        return prompts, ids, scores, None


@contextmanager
def trainer_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str, **fake: Any
) -> Iterator[tuple[Any, FakeVllm]]:
    import trl.trainer.grpo_trainer as trl_trainer

    from grpoctl.engines.trl.train import build

    made: list[FakeVllm] = []

    def make(model: Any, *_: Any, **__: Any) -> FakeVllm:
        made.append(FakeVllm(model, **fake))
        return made[0]

    monkeypatch.setattr(trl_trainer, "VLLMGeneration", make)
    words = [*SMALL, f"output_dir={tmp_path / 'run'}", "use_vllm=true", "vllm_importance_sampling_correction=false"][
        :-1
    ]
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    job = make_job(plan_new("quickstart", [*words, *overrides]), run, Stream(), None, StopRequest())
    trainer, _ = build(job)
    yield trainer, made[0]


def rows_of(trainer: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = trainer._rows_of([problem.prompt for problem in trainer._problems[:2]])
    return rows


def test_weights_that_arrive_are_seen_and_the_trial_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trainer_with(tmp_path, monkeypatch) as (trainer, fake):
        before = {name: weight.detach().clone() for name, weight in trainer.model.state_dict().items()}
        chance = torch.get_rng_state()
        trainer._verify_vllm()
        assert all(torch.equal(weight, before[name]) for name, weight in trainer.model.state_dict().items())
        assert torch.equal(torch.get_rng_state(), chance)
        assert (fake.sent, fake.asked) == (3, 2)  # as it begins, moved, and put back
        assert (fake.top_k, fake.top_p, fake.max_completion_length) == (50, 0.7, 24)
        trainer._verify_vllm()
        assert fake.sent == 3


def test_adapters_that_never_arrive_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with trainer_with(tmp_path, monkeypatch, arrive=False) as (trainer, _):
        before = {name: weight.detach().clone() for name, weight in trainer.model.state_dict().items()}
        with pytest.raises(VllmError, match="other weights than the trainer after its adapters were moved for a trial"):
            trainer._verify_vllm()
        assert all(torch.equal(weight, before[name]) for name, weight in trainer.model.state_dict().items())


@pytest.mark.parametrize("shifted", [0.3, float("nan")])
def test_another_model_in_vllm_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shifted: float) -> None:
    keys = ("finetuning_type=full", "learning_rate=1e-6")
    with (
        trainer_with(tmp_path, monkeypatch, *keys, shifted=shifted) as (trainer, _),
        pytest.raises(VllmError, match=r"other weights than the trainer as it begins: .* differs by (0.3|nan)"),
    ):
        trainer._verify_vllm()


def test_rounding_is_let_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with trainer_with(tmp_path, monkeypatch, shifted=0.02) as (trainer, _):
        trainer._verify_vllm()


def test_completions_come_behind_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with trainer_with(tmp_path, monkeypatch) as (trainer, fake):
        prompt_ids = [[5, 6, 7]] * 4
        ids, log_probs = trainer._generate_single_turn(prompt_ids, None, {}, 4)
        # Two probes, and the weights, which have not moved since, are not sent again.
        assert (fake.asked, fake.sent) == (3, 3)
        assert len(ids) == len(log_probs) == 4


def test_a_probe_puts_the_recipes_sampling_back_when_it_fails() -> None:
    class Broken(FakeVllm):
        def generate(self, *_: Any, **__: Any) -> Any:
            raise ConnectionError("gone")

    generation = Broken(torch.nn.Module())
    with pytest.raises(ConnectionError):
        probe(generation, [1])
    assert (generation.top_k, generation.min_p) == (50, 0.1)


def test_adapters_on_quantised_or_no_layers_are_not_moved() -> None:
    base = transformers.AutoModelForCausalLM.from_pretrained(shipped.MODELS["tiny"])
    assert not can_stir(base)
    model = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    assert can_stir(model)
    scales: list[float] = []
    with stirred(model, lambda: scales.append(1.0) or len(scales) == 3):  # type: ignore[func-returns-value]
        assert len(scales) == 3
