"""`grpoctl export` as a script and as a person meet it."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import torch
from fake_run import make_run, step
from peft import PeftModel
from support import SMALL
from transformers import AutoModelForCausalLM, AutoTokenizer

from grpoctl import cli, exporting, job, shipped
from grpoctl.run.events import RUN_FAILED, RUN_STARTED

Grpoctl = Callable[..., tuple[int, str, str]]

TINY = shipped.MODELS["tiny"]
FEW = (*SMALL, "max_steps=2", "save_steps=1", "learning_rate=2e-3")
PROMPT = "<|im_start|>user\n12 + 30?<|im_end|>\n<|im_start|>assistant\n"


class NoPlots:
    def __init__(self, *_: object, **__: object) -> None: ...

    def hear(self, event: object) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A runs folder with a run of adapters and one of whole weights, two steps each, evaluated before and after."""
    root = tmp_path_factory.mktemp("trained")
    evaluated = ("eval_dataset=tiny_arithmetic_test", "max_samples=8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "PlotSink", NoPlots)
        patch.setenv("GRPOCTL_RUNS", str(root))
        assert cli.main(["train", "quickstart", *FEW, *evaluated, f"output_dir={root}/lora"]) == 0
        whole = ("finetuning_type=full", f"output_dir={root}/full")
        assert cli.main(["train", "quickstart", *FEW, *whole]) == 0
    yield root


@pytest.fixture
def runs(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them for each test."""
    root = tmp_path / "runs"
    shutil.copytree(trained, root)
    monkeypatch.setenv("GRPOCTL_RUNS", str(root))
    return root


@torch.no_grad()
def logits(model: Any) -> Any:
    ids = AutoTokenizer.from_pretrained(TINY)(PROMPT, add_special_tokens=False, return_tensors="pt")
    return model.eval()(**ids).logits


def plain(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder)


def python(code: str, cwd: Path, *refused: str) -> str:
    """What a program prints in a process of its own, in which some packages cannot be imported."""
    head = f"import sys; sys.modules.update(dict.fromkeys({refused!r}))\n"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", head + code], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


# --- what comes of it


@pytest.mark.parametrize("name", ["lora", "full"])
def test_a_script_that_imports_only_transformers_loads_it_and_generates(
    name: str, grpoctl: Grpoctl, runs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "out"
    code, said, _ = grpoctl("export", name, "--to", str(out), "--json")
    assert code == 0
    assert json.loads(said) == {
        "path": str(out),
        "format": "hf",
        "dtype": "float32",
        "parameters": 346_880,
        "base": "tiny",
        "step": 2,
        "run": name,
        "hub": None,
    }
    script = f"""
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("out")
model = AutoModelForCausalLM.from_pretrained("out")
ids = tokenizer({PROMPT!r}, return_tensors="pt")
print(model.generate(**ids, max_new_tokens=20, do_sample=False).tolist())
"""
    printed = json.loads(python(script, out.parent, "grpoctl", "peft", "trl"))
    before = plain(runs / name) if name == "full" else PeftModel.from_pretrained(plain(TINY), runs / name)
    ids = AutoTokenizer.from_pretrained(TINY)(PROMPT, return_tensors="pt")
    assert printed == before.eval().generate(**ids, max_new_tokens=20, do_sample=False).tolist()
    # float32 itself is off by some 1e-6 of the largest of its logits, which is 15.
    torch.testing.assert_close(logits(plain(out)), logits(before), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(logits(plain(out)), logits(plain(TINY)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("words", [(), ("--adapter",)])
def test_the_program_of_the_card_runs_as_it_stands(
    words: tuple[str, ...], grpoctl: Grpoctl, runs: Path, tmp_path: Path
) -> None:
    assert grpoctl("export", "lora", "--to", str(tmp_path / "out"), *words)[0] == 0
    card = (tmp_path / "out" / "README.md").read_text()
    program = re.findall(r"```python\n(.*?)```", card, re.DOTALL)[0]
    if words:  # the base has no name on the hub, so its own is one that the reader puts a path in for
        assert 'AutoModelForCausalLM.from_pretrained("tiny"' in program
        program = program.replace('"tiny"', repr(str(TINY)))
    answer = python(program.replace("…", "12 + 30?"), tmp_path, "grpoctl")
    assert "<reasoning>" in answer


def test_the_card_has_recipe_data_and_evaluations_and_no_path_of_this_machine(
    grpoctl: Grpoctl, runs: Path, tmp_path: Path
) -> None:
    grpoctl("export", "lora", "--to", str(tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text()
    for text in ("trained with GRPO for 2 steps", "learning_rate: 0.002", "tiny_arithmetic_train.json"):
        assert text in card
    assert "| before training | after 2 steps |" in card
    assert "greedy, 8 problems of tiny_arithmetic_test:" in card
    assert re.search(r"Trained with grpoctl \S+, python \S+, torch ", card)
    held = [str(tmp_path), str(Path.cwd()), str(Path.home()), str(runs.resolve()), "output_dir"]
    assert [text for text in held if text in card and text != "/"] == []


def test_an_adapter_alone(grpoctl: Grpoctl, runs: Path, tmp_path: Path) -> None:
    code, said, _ = grpoctl("export", "lora", "--to", str(tmp_path / "out"), "--adapter", "--json")
    assert code == 0
    assert json.loads(said)["format"] == "peft"
    assert not list((tmp_path / "out").glob("model*"))
    before = logits(PeftModel.from_pretrained(plain(TINY), runs / "lora"))
    assert torch.equal(logits(PeftModel.from_pretrained(plain(TINY), tmp_path / "out")), before)


def test_a_checkpoint_is_the_model_as_it_was_then(grpoctl: Grpoctl, runs: Path, tmp_path: Path) -> None:
    code, said, _ = grpoctl("export", "lora", "--to", str(tmp_path / "out"), "--checkpoint", "1", "--json")
    assert (code, json.loads(said)["step"]) == (0, 1)
    before = logits(PeftModel.from_pretrained(plain(TINY), runs / "lora" / "checkpoint-1"))
    torch.testing.assert_close(logits(plain(tmp_path / "out")), before, rtol=1e-5, atol=1e-5)
    assert "GRPO for 1 step." in (tmp_path / "out" / "README.md").read_text()


def test_without_a_name_it_is_the_latest_run_and_the_recipes_own_folder(
    grpoctl: Grpoctl, runs: Path, tmp_path: Path
) -> None:
    os.utime(runs / "full" / "manifest.json", (2e9, 2e9))
    code, said, _ = grpoctl("export", f"export_dir={tmp_path}/out")
    assert code == 0
    assert said.splitlines() == [
        "exporting full at step 2 …",
        f"{tmp_path}/out: hf, float32, 346,880 parameters; README.md there says how to use it",
    ]


def test_a_base_that_was_moved_is_named_anew(grpoctl: Grpoctl, runs: Path, tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "moved")
    resolved = runs / "lora" / "recipe.resolved.json"
    held = json.loads(resolved.read_text())
    resolved.write_text(json.dumps({**held, "model_name_or_path": str(tmp_path / "before")}))
    out = str(tmp_path / "out")
    code, _, said = grpoctl("export", "lora", "--to", out)
    assert code == 2
    assert f"{tmp_path}/before, which is not here" in said
    assert said.count("\n") == 1
    assert not Path(out).exists()
    assert grpoctl("export", "lora", "--to", out, f"model_name_or_path={tmp_path}/moved")[0] == 0


# --- export recipes


def test_their_export_recipe_merges_the_adapters_it_names(
    grpoctl: Grpoctl, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_export.yaml").write_text("""model_name_or_path: tiny
adapter_name_or_path: runs/lora
template: qwen3_nothink
trust_remote_code: true

export_dir: out
export_size: 5
export_device: cpu
export_legacy_format: false
""")
    code, said, warned = grpoctl("export", "my_export.yaml", "--json")
    assert code == 0
    document = json.loads(said)
    assert (document["path"], document["step"], document["run"]) == (str(tmp_path / "out"), None, None)
    assert "export_legacy_format" in warned
    before = logits(PeftModel.from_pretrained(plain(TINY), runs / "lora"))
    torch.testing.assert_close(logits(plain(tmp_path / "out")), before, rtol=1e-5, atol=1e-5)


def test_an_export_recipe_without_adapters_copies_the_model(grpoctl: Grpoctl, tmp_path: Path) -> None:
    (tmp_path / "my_export.yaml").write_text("model_name_or_path: tiny\nexport_dir: elsewhere\n")
    code, _, _ = grpoctl("export", str(tmp_path / "my_export.yaml"), "--to", str(tmp_path / "out"))
    assert code == 0
    assert torch.equal(logits(plain(tmp_path / "out")), logits(plain(TINY)))
    assert not Path("elsewhere").exists()


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("model_name_or_path: tiny\n", (), "r.yaml: names no folder to write to; add export_dir, or --to DIR."),
        ("model_name_or_path: tiny\ndataset: tiny_arithmetic\n", ("--to", "out"), "r.yaml: is a recipe to train by; "),
        (
            "model_name_or_path: tiny\nadapter_name_or_path: saves/gone/run\nexport_dir: out\n",
            (),
            "r.yaml:2: adapter_name_or_path: names saves/gone/run, and no such folder is here; check the path.",
        ),
        (
            "model_name_or_path: ./nothing\nexport_dir: out\n",
            (),
            "r.yaml: model_name_or_path: names ./nothing, which has no config.json; give a whole Hugging Face folder.",
        ),
        ("model_name_or_path: tiny\nexport_dir: out\n", ("--checkpoint", "3"), "r.yaml: is no run, and only runs have"),
        ("model_name_or_path: tiny\nexport_dir: out\nexport_sise: 3\n", (), "r.yaml:3: export_sise: is no key; did"),
        ("model_name_or_path: tiny\nexport_dir: out\n", ("--adapter",), "--adapter: was asked for, and this model has"),
    ],
)
def test_an_export_recipe_that_cannot_be_is_one_line(
    text: str,
    words: tuple[str, ...],
    said: str,
    grpoctl: Grpoctl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.yaml").write_text(text)
    code, _, error = grpoctl("export", "r.yaml", *words)
    assert code == 2
    assert error.startswith(said)
    assert error.count("\n") == 1
    assert not Path("out").exists()


# --- what cannot be exported


def test_bad_words_are_one_line_each(grpoctl: Grpoctl, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "theirs.txt").write_text("keep")
    (tmp_path / "file").write_text("")
    new = str(tmp_path / "out")
    failed = make_run(runs / "failed", (RUN_STARTED, {"max_steps": 8}), step(1), (RUN_FAILED, {"error": "x"}))
    shutil.copyfile(runs / "lora" / "recipe.resolved.json", failed.resolved)
    cases = [
        (("lora",), "grpoctl export: has no folder to write to; add --to DIR."),
        (("lora", "--to", str(tmp_path / "full")), f"{tmp_path}/full: is not empty; name a new folder, or empty it."),
        (("lora", "--to", str(tmp_path / "file")), f"{tmp_path}/file: is a file; name a folder."),
        (("lora", "full", "--to", new), "grpoctl export: takes one run or recipe, and got 2; name one."),
        (("lroa", "--to", new), "lroa: is no run, and no model on this machine; did you mean the run lora?"),
        (("failed", "--to", new), "failed: is failed and has no model yet; go on: grpoctl train --resume failed."),
        (("full", "--to", new, "--adapter"), "full: was trained whole, and has no adapter; leave --adapter out."),
        (
            ("lora", "--to", new, "--checkpoint", "7"),
            f"{runs}/lora/checkpoint-7: is not there; this run's checkpoints: 1, 2.",
        ),
        (("lora", "--to", new, "export_size=0"), "command line: export_size: is 0; use 1 or more."),
    ]
    for words, said in cases:
        code, out, error = grpoctl("export", *words)
        assert (code, out, error) == (2, "", said + "\n"), words
    assert not Path(new).exists()
    assert (tmp_path / "full" / "theirs.txt").read_text() == "keep"


# --- a folder is whole or not there


def no_room(bytes_: int) -> Callable[[], None]:
    """Files of at most so many bytes, in a process to come: writing more fails as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))

    return limit


@pytest.mark.parametrize(("words", "there"), [((), False), ((), True), (("--adapter",), False)])
def test_where_the_disk_is_full_nothing_is_left(
    words: tuple[str, ...], there: bool, runs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "here" / "out"
    out.parent.mkdir()
    if there:
        out.mkdir()
    command = [sys.executable, "-m", "grpoctl", "export", "lora", "--to", str(out), *words]
    result = subprocess.run(
        command, preexec_fn=no_room(100_000), capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 1
    assert re.fullmatch(
        rf"{out}: cannot be written \(.*File too large.*\); make room, or name another folder\.\n", result.stderr
    )
    assert [path.name for path in out.parent.rglob("*")] == (["out"] if there else [])


@pytest.mark.parametrize("there", [False, True])
def test_what_a_killed_export_left_is_no_hindrance(there: bool, grpoctl: Grpoctl, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    left = out / ".incoming" if there else tmp_path / ".out.incoming"
    (left / "sub").mkdir(parents=True)
    (left / "model-00007-of-00009.safetensors").write_bytes(b"half")
    assert grpoctl("export", "lora", "--to", str(out))[0] == 0
    assert not left.exists()
    assert "model-00007-of-00009.safetensors" not in {path.name for path in out.iterdir()}
    torch.testing.assert_close(
        logits(plain(out)), logits(PeftModel.from_pretrained(plain(TINY), runs / "lora")), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_export_leaves_nothing(
    number: signal.Signals, grpoctl: Grpoctl, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grpoctl.model_card.model_card", lambda *_: signal.raise_signal(number))
    (tmp_path / "here").mkdir()
    try:
        code = grpoctl("export", "lora", "--to", str(tmp_path / "here" / "out"))[0]
    except SystemExit as end:
        code = int(str(end.code))
    assert code == 128 + number
    assert list((tmp_path / "here").iterdir()) == []


def test_two_exports_into_one_folder_do_not_mix(grpoctl: Grpoctl, runs: Path, tmp_path: Path) -> None:
    with exporting.put_in_place(tmp_path / "out") as beside:
        (beside / "config.json").write_text("{}")
        code, _, error = grpoctl("export", "lora", "--to", str(tmp_path / "out"))
        assert code == 2
        assert error == f"{tmp_path}/out: is being written by another export; wait for it, or name another folder.\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["config.json"]


def test_in_a_folder_that_was_there_the_configuration_comes_last(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    moved: list[str] = []
    replace = Path.replace

    def note(self: Path, target: Path) -> Path:
        moved.append(target.name)
        return replace(self, target)

    with pytest.MonkeyPatch.context() as patch, exporting.put_in_place(tmp_path / "out") as beside:
        for name in ("config.json", "adapter_config.json", "model.safetensors", "tokenizer.json", "a.txt"):
            (beside / name).write_text("")
        patch.setattr(Path, "replace", note)
    assert set(moved[:3]) == {"model.safetensors", "tokenizer.json", "a.txt"}
    assert set(moved[3:]) == {"config.json", "adapter_config.json"}


def test_a_folder_that_was_there_keeps_its_place(grpoctl: Grpoctl, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    number = (tmp_path / "real").stat().st_ino
    assert grpoctl("export", "lora", "--to", str(tmp_path / "link"))[0] == 0
    assert (tmp_path / "real").stat().st_ino == number
    assert (tmp_path / "real" / "config.json").is_file()
    assert not (tmp_path / "real" / ".incoming").exists()


# --- the hub


@pytest.fixture
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))


def test_without_a_login_nothing_is_begun(grpoctl: Grpoctl, runs: Path, tmp_path: Path, no_login: None) -> None:
    code, _, error = grpoctl("export", "lora", "--to", str(tmp_path / "out"), "export_hub_model_id=me/mine")
    assert code == 2
    assert error == "export_hub_model_id: is me/mine, and there is no login; log in: hf auth login.\n"
    assert not (tmp_path / "out").exists()


def test_without_the_network_nothing_is_begun(
    grpoctl: Grpoctl, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    code, _, error = grpoctl("export", "lora", "--to", str(tmp_path / "out"), "export_hub_model_id=me/mine")
    assert code == 1
    assert error.startswith("export_hub_model_id: is me/mine, and the hub does not let you in (OfflineModeIsEnabled: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_name_that_the_hub_cannot_have_is_refused(
    grpoctl: Grpoctl, runs: Path, tmp_path: Path, no_login: None
) -> None:
    code, _, error = grpoctl("export", "lora", "--to", str(tmp_path / "out"), "export_hub_model_id=a/b/c")
    assert code == 2
    assert error == "export_hub_model_id: is a/b/c, which is no name on the hub; write user/model.\n"


class Hub:
    """A hub that takes everything, and knows who asks."""

    pushed: list[tuple[str, bool, list[str]]] = []  # noqa: RUF012, as each call makes another object
    private = False
    down = False

    def whoami(self) -> dict[str, str]:
        return {"name": "me"}

    def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> Any:
        Hub.private = private
        return type("Url", (), {"repo_id": f"me/{name.rpartition('/')[2]}"})

    def upload_folder(self, *, repo_id: str, folder_path: Path) -> None:
        if Hub.down:
            raise ConnectionError("gone")
        Hub.pushed.append((repo_id, Hub.private, sorted(path.name for path in folder_path.iterdir())))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> type[Hub]:
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    monkeypatch.setattr(Hub, "pushed", [])
    return Hub


def test_a_push_sends_the_whole_folder_to_a_private_repository(
    grpoctl: Grpoctl, runs: Path, tmp_path: Path, hub: type[Hub]
) -> None:
    out = tmp_path / "out"
    code, said, _ = grpoctl("export", "lora", "--to", str(out), "export_hub_model_id=mine", "--adapter", "--json")
    assert (code, json.loads(said)["hub"]) == (0, "me/mine")
    assert hub.pushed == [("me/mine", True, sorted(path.name for path in out.iterdir()))]
    assert 'PeftModel.from_pretrained(model, "mine")' in (out / "README.md").read_text()


def test_a_push_that_fails_leaves_the_export_and_says_how_to_go_on(
    grpoctl: Grpoctl, runs: Path, tmp_path: Path, hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hub, "down", True)
    out = tmp_path / "out"
    code, _, error = grpoctl("export", "lora", "--to", str(out), "export_hub_model_id=me/mine")
    assert code == 1
    said = f"me/mine: cannot be pushed (ConnectionError: gone); the export is in {out}: hf upload me/mine {out}\n"
    assert error == said
    assert (out / "config.json").is_file()
