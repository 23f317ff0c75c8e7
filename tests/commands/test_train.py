"""`grpoctl train` as a script and as a person meet it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_run import make_run

pytest.importorskip("trl")

from support import SMALL

from grpoctl import job
from grpoctl.engines import base
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory, all_runs
from grpoctl.run.events import read_events
from grpoctl.run.view import view_run

Grpoctl = Callable[..., tuple[int, str, str]]


class NoPlots:
    def __init__(self, *_: object, **__: object) -> None: ...

    def hear(self, event: object) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "PlotSink", NoPlots)


def test_a_run_gets_a_folder_a_summary_and_exit_0(grpoctl: Grpoctl, runs: Path) -> None:
    code, out, _ = grpoctl("train", "quickstart", *SMALL)
    assert code == 0
    (run,) = all_runs()
    assert run.path.parent == runs
    assert run.name.startswith("quickstart-")
    assert out.splitlines()[-1] == f"finished at step 8 of 8; look: grpoctl show {run.name}"
    assert f"run {run.path}" in out
    assert "step 8/8  0:00 left  reward " in out
    assert run.log.read_text().splitlines()[-1].endswith(out.splitlines()[-1])
    assert run.recipe.read_text() == Path("recipes/quickstart.yaml").read_text()
    manifest = json.loads(run.manifest.read_text())
    assert manifest["overrides"] == list(SMALL)
    assert manifest["versions"]["trl"].startswith("1.16")
    assert [Path(entry["file"]).name for entry in manifest["data"]] == ["tiny_arithmetic_train.json"]


def test_json_is_one_document_and_all_else_goes_to_standard_error(grpoctl: Grpoctl, runs: Path) -> None:
    code, out, err = grpoctl("train", "quickstart", *SMALL, "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["status"], document["step"], document["max_steps"]) == ("finished", 8, 8)
    assert document["run"] == all_runs()[0].name
    assert document["metrics"]["reward"] is not None
    assert "step 8/8" in err and "rewards" in err


def test_a_dry_run_checks_and_makes_nothing(grpoctl: Grpoctl, runs: Path) -> None:
    code, out, _ = grpoctl("train", "quickstart", "--dry-run")
    assert code == 0
    assert out.splitlines()[-1] == "a dry run: quickstart would be trained for 80 steps; nothing was written."
    assert not runs.exists()
    code, out, _ = grpoctl("train", "quickstart", "--dry-run", "--json")
    assert json.loads(out)["recipe"]["num_generations"] == 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train",), "error: grpoctl train: takes a recipe; see grpoctl train --help.\n"),
        (("train", "quickstart", "another"), "error: command line: is another; write overrides as key=value.\n"),
        (("train", "quickstart", "lora_rnk=4"), "error: command line: lora_rnk: is no key; did you mean lora_rank?\n"),
        (
            ("train", "quickstart", "vllm_enforce_eager=true", "use_vllm=true"),
            "error: command line: vllm_enforce_eager: is true, and TRL does not pass it on; take it out, or use "
            "vllm_mode: server and start it with trl vllm-serve --enforce_eager true.\n",
        ),
        (("train", "--resume", "nothing"), "error: nothing: is no run below RUNS; see grpoctl runs.\n"),
        (("train", "--resume"), "error: RUNS: holds no run; start one: grpoctl train quickstart.\n"),
        (
            ("train", "quickstart", "--resume", "x"),
            "error: --resume: takes a run and key=value; use grpoctl train --resume RUN, without quickstart.\n",
        ),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(words: tuple[str, ...], said: str, grpoctl: Grpoctl, runs: Path) -> None:
    code, _, err = grpoctl(*words)
    assert code == 2
    lines = [line for line in err.splitlines(keepends=True) if not line.startswith("warning: ")]
    assert "".join(lines) == said.replace("RUNS", str(runs))
    assert not runs.exists()


def test_data_that_cannot_be_fetched_is_one_line_with_the_way_around_it(
    grpoctl: Grpoctl, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    pytest.importorskip("datasets")

    def no_network(self: Any, name: str, **_: Any) -> Any:
        raise ConnectionError("Name or service not known\nand more")

    monkeypatch.setattr(hub.HfApi, "dataset_info", no_network)
    code, _, err = grpoctl("train", "qwen3_0.6b_gsm8k", "model_name_or_path=tiny", f"cache_dir={tmp_path}")
    assert code == 1
    assert err.splitlines()[-1] == (
        "error: openai/gsm8k: cannot be fetched from the Hugging Face hub (ConnectionError: Name or service not "
        "known); copy its files here and name them, as in dataset: path/to/train.jsonl."
    )
    assert not runs.exists()


def test_a_model_that_cannot_be_fetched_is_one_line(
    grpoctl: Grpoctl, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def no_network(name: str, **_: Any) -> str:
        raise ConnectionError("Name or service not known\nand more")

    monkeypatch.setattr(hub, "snapshot_download", no_network)
    code, _, err = grpoctl("train", "quickstart", "model_name_or_path=Qwen/Qwen3-0.6B")
    assert code == 1
    assert err.splitlines()[-1] == (
        "error: Qwen/Qwen3-0.6B: cannot be fetched (ConnectionError: Name or service not known); check the name and "
        "the network, or copy the model's folder here and name that."
    )


def test_a_model_is_fetched_as_safetensors_and_then_checked(
    grpoctl: Grpoctl, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from grpoctl import shipped

    hub = pytest.importorskip("huggingface_hub")
    asked: list[Any] = []

    def fetch(name: str, *, revision: str, cache_dir: str, allow_patterns: list[str]) -> str:
        asked.append((name, revision, allow_patterns))
        kept = Path(cache_dir) / "models--some--tiny"
        (kept / "refs").mkdir(parents=True)
        (kept / "refs" / "main").write_text("abc")
        shutil.copytree(shipped.MODELS["tiny"], kept / "snapshots" / "abc")
        return str(kept / "snapshots" / "abc")

    monkeypatch.setattr(hub, "snapshot_download", fetch)
    where = ("model_name_or_path=some/tiny", f"cache_dir={tmp_path / 'cache'}")
    code, out, err = grpoctl("train", "quickstart", *SMALL, "max_steps=1", *where)
    assert code == 0, err
    assert [(name, revision) for name, revision, _ in asked] == [("some/tiny", "main")]
    assert not any("bin" in pattern or "pt" in pattern for pattern in asked[0][2])
    assert "prompts of 24 to 28 tokens" in out


def test_a_finished_folder_is_kept_unless_the_recipe_says_otherwise(
    grpoctl: Grpoctl, runs: Path, tmp_path: Path
) -> None:
    words = ("train", "quickstart", *SMALL, f"output_dir={tmp_path / 'here'}")
    assert grpoctl(*words)[0] == 0
    (tmp_path / "here" / "notes.txt").write_text("mine")
    code, _, err = grpoctl(*words)
    assert code == 2
    assert "which holds something already; name another folder, or add overwrite_output_dir: true" in err
    assert grpoctl(*words, "max_steps=4", "overwrite_output_dir=true")[0] == 0
    run = RunDirectory(tmp_path / "here")
    assert [event["step"] for event in read_events(run.events)[0] if event["event"] == ev.STEP] == [1, 2, 3, 4]
    assert not run.checkpoint(8).exists()
    assert (tmp_path / "here" / "notes.txt").read_text() == "mine"


def test_two_processes_cannot_hold_one_folder(grpoctl: Grpoctl, runs: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "here")
    with run.held():
        code, _, err = grpoctl("train", "quickstart", *SMALL, f"output_dir={run.path}", "overwrite_output_dir=true")
    assert code == 2
    fix = f"wait for it, or end it: grpoctl stop {run.path}"
    assert err == f"error: {run.path}: is in use by a run that is going on; {fix}.\n"


def test_resume_keeps_the_values_of_the_run_and_takes_new_ones(
    grpoctl: Grpoctl, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where no data folder is, which the resolved recipe names all the same
    assert grpoctl("train", "quickstart", *SMALL, "learning_rate=1e-3")[0] == 0
    code, out, _ = grpoctl("train", "--resume", "max_steps=10")
    assert code == 0
    assert "going on from checkpoint-8" in out
    (run,) = all_runs()
    resolved = json.loads(run.resolved.read_text())
    assert (resolved["learning_rate"], resolved["max_steps"]) == (1e-3, 10)
    assert json.loads(run.manifest.read_text())["overrides"] == ["max_steps=10", *SMALL[1:], "learning_rate=1e-3"]


def test_a_resume_that_fails_as_it_starts_leaves_the_run_usable(
    grpoctl: Grpoctl, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert grpoctl("train", "quickstart", *SMALL)[0] == 0
    (run,) = all_runs()
    before = run.resolved.read_text(), run.manifest.read_text()
    with monkeypatch.context() as broken:
        broken.setattr("grpoctl.engines.trl.TrlEngine.train", lambda self, job: 1 / 0)
        assert grpoctl("train", "--resume", run.name, "max_steps=9", "learning_rate=1e-4")[0] == 1
    assert (run.resolved.read_text(), run.manifest.read_text()) == before
    assert grpoctl("train", "--resume", run.name, "max_steps=9")[0] == 0


def test_a_package_that_the_recipe_asks_for_is_wanted_before_the_run_has_a_folder(
    grpoctl: Grpoctl, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grpoctl.plan.missing_packages", lambda packages: list(packages))
    code, _, err = grpoctl("train", "quickstart", *SMALL, "use_vllm=true")
    assert code == 2
    assert err.splitlines()[-1] == (
        "error: command line: use_vllm: needs vllm, which is not installed here; pip install vllm, or take it out."
    )
    assert all_runs() == []


def test_a_finished_run_is_not_exchanged_for_one_without_a_checkpoint(grpoctl: Grpoctl, runs: Path) -> None:
    assert grpoctl("train", "quickstart", *SMALL)[0] == 0
    (run,) = all_runs()
    make_run(runs / "hopeless", (ev.RUN_FAILED, {"step": 0, "error": "x"}))
    _, _, err = grpoctl("train", "--resume", run.name)
    assert err == f"error: {run.name}: is finished at step 8; give more steps to go on (max_steps=16).\n"


def test_a_start_that_fails_leaves_a_finished_run_finished(
    grpoctl: Grpoctl, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grpoctl("train", "quickstart", *SMALL)
    (run,) = all_runs()
    before = (run.resolved.read_bytes(), run.manifest.read_bytes())

    def fail(*_: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr("grpoctl.engines.trl.TrlEngine.train", fail)
    code, _, err = grpoctl("train", "--resume", run.name, "max_steps=16")
    assert code == 1 and "no room" in err
    assert (run.resolved.read_bytes(), run.manifest.read_bytes()) == before
    view = view_run(run)
    assert (view.status, view.step, view.max_steps) == ("finished", 8, 8)


def test_resume_without_a_checkpoint_starts_again_and_says_so(grpoctl: Grpoctl, runs: Path) -> None:
    assert grpoctl("train", "quickstart", *SMALL, "save_steps=1000", "save_only_model=true")[0] == 0
    (run,) = all_runs()
    (run.checkpoint(8) / "seal.json").unlink()
    code, out, _ = grpoctl("train", "--resume", run.name, "max_steps=9")
    assert code == 0
    assert "checkpoint-8 was never finished; it is passed over" in out
    assert "has no whole checkpoint, so the run starts again" in out


def test_llamafactorys_resume_key_goes_on_in_its_folder(grpoctl: Grpoctl, runs: Path, tmp_path: Path) -> None:
    words = ("train", "quickstart", *SMALL, f"output_dir={tmp_path / 'here'}", "resume_from_checkpoint=true")
    assert "going on" not in grpoctl(*words)[1]  # the first time there is nothing to go on from
    code, out, _ = grpoctl(*words, "max_steps=9")
    assert code == 0
    assert "going on from checkpoint-8" in out


def test_data_that_changed_between_stop_and_resume_is_refused(grpoctl: Grpoctl, runs: Path, tmp_path: Path) -> None:
    rows = [{"instruction": f"{n} + 1?", "input": "", "output": str(n + 1)} for n in range(8)]
    (tmp_path / "mine.json").write_text(json.dumps(rows))
    (tmp_path / "dataset_info.json").write_text('{"mine": {"file_name": "mine.json"}}')
    data = ("dataset=mine", f"dataset_dir={tmp_path}")
    assert grpoctl("train", "quickstart", *SMALL, *data)[0] == 0
    rows[0]["output"] = "7"
    (tmp_path / "mine.json").write_text(json.dumps(rows))
    code, _, err = grpoctl("train", "--resume", "max_steps=9")
    assert code == 2
    fix = "put the old file back, or start a new run"
    assert err == f"error: {tmp_path / 'mine.json'}: has changed since this run began; {fix}.\n"


def test_without_the_engines_packages_training_says_what_to_install(
    grpoctl: Grpoctl, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grpoctl.engines.base.missing_packages", lambda packages: ["trl"])
    code, _, err = grpoctl("train", "quickstart")
    assert code == 2
    assert err.splitlines()[-1].endswith("this Python lacks trl; install them: pip install 'grpoctl[trl]'.")


def test_a_sink_that_fails_does_not_end_the_run(grpoctl: Grpoctl, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Breaks(NoPlots):
        def hear(self, event: object) -> None:
            raise OSError("no room for pictures")

        def close(self) -> None:
            raise OSError("no room either")

    monkeypatch.setattr(job, "PlotSink", Breaks)
    code, out, _ = grpoctl("train", "quickstart", *SMALL)
    assert code == 0
    assert out.count("Breaks fails (no room for pictures); the run goes on without it.") == 1


@pytest.mark.parametrize("name", sorted(base.ENGINES))
def test_every_engine_is_found_by_the_table(name: str) -> None:
    assert callable(base.load_engine(name).train)


def test_an_engine_of_another_python_is_one_line(
    grpoctl: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(base.ENGINES, "trl", replace(base.ENGINES["trl"], python=(3, 99)))
    code, _, error = grpoctl("train", "quickstart")
    assert code == 2
    assert error.endswith("quickstart: engine: is trl, which needs Python 3.99; run it where that is.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_disk_that_fills_in_a_checkpoint_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: events still fit, the second checkpoint's weights do not."""
    import resource

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    folder = tmp_path / "run"
    words = ["train", "quickstart", *SMALL, "finetuning_type=full", f"output_dir={folder}"]
    result = subprocess.run(
        [sys.executable, "-m", "grpoctl", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=small_disk,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == 1
    last = [line for line in result.stderr.splitlines() if not line.startswith("warning")]
    assert len(last) == 1
    assert "checkpoint-3: cannot be written (" in last[0]
    assert "File too large" in last[0] or "os error 27" in last[0]
    events = read_events(folder / "events.jsonl")[0]
    assert [event["step"] for event in events if event["event"] == ev.STEP] == [1, 2, 3]
    assert events[-1]["event"] == ev.RUN_FAILED
    assert not (folder / ".incoming").exists()
