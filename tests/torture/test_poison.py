"""Files that run code when they are read, put wherever a model, an adapter or a checkpoint is read: none of them runs.

`make torture` runs it.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engines.runs import same
from support import SMALL

from grpoctl import shipped
from grpoctl.run import checkpoints
from grpoctl.run.directory import RunDirectory

torch: Any = pytest.importorskip("torch")
pytest.importorskip("trl")
pytestmark = pytest.mark.torture

Run = Callable[..., tuple[int, str]]


class Poison:
    """Makes a file when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.made), "w")


def poison(file: Path, made: Path, *, as_zip: bool = True) -> None:
    torch.save(Poison(made), file, _use_new_zipfile_serialization=as_zip)


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_a_checkpoint_that_was_poisoned_and_sealed_again_runs_nothing(tmp_path: Path, run: Run, kind: str) -> None:
    made = tmp_path / "made"
    straight = RunDirectory(tmp_path / "straight")
    words = ["train", "quickstart", *SMALL, f"finetuning_type={kind}"]
    assert run(*words, f"output_dir={straight.path}")[0] == 0
    names = ["training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "generation_0.pt", "scaler.pt"]
    weights = "adapter_model" if kind == "lora" else "model"
    pickled = "adapter_model.bin" if kind == "lora" else "pytorch_model.bin"
    tried = 0
    for name in [*names, pickled, f"{pickled} alone"]:
        for as_zip in (True, False):
            copy = RunDirectory(tmp_path / f"copy-{tried}")
            shutil.copytree(straight.path, copy.path)
            for step in (6, 8):
                shutil.rmtree(copy.checkpoint(step))
            folder = copy.checkpoint(3)
            if name.endswith(" alone"):
                (folder / f"{weights}.safetensors").unlink()
            poison(folder / name.removesuffix(" alone"), made, as_zip=as_zip)
            (folder / checkpoints.SEAL).unlink()
            checkpoints._seal(folder)
            lines = copy.events.read_text(encoding="utf-8").splitlines(keepends=True)
            copy.events.write_text("".join(line for line in lines if '"run_finished"' not in line), encoding="utf-8")
            code, said = run("train", "--resume", str(copy.path))
            assert not made.exists(), name
            if name in ("training_args.bin", pickled):  # which nobody reads
                assert code == 0 and same(straight, copy), (name, said)
            else:
                assert code in (1, 2) and said.strip().splitlines()[-1], (name, said)
            tried += 1
            shutil.rmtree(copy.path)
    print(f"\n{tried} poisoned checkpoints ({kind}): nothing of them ran", file=sys.__stdout__)


def test_a_model_and_adapters_as_pickles_are_refused(tmp_path: Path, run: Run) -> None:
    made = tmp_path / "made"
    model = shutil.copytree(shipped.MODELS["tiny"], tmp_path / "model")
    (model / "model.safetensors").unlink()
    poison(model / "pytorch_model.bin", made)
    small = ["quickstart", *SMALL]
    code, said = run("train", *small, f"model_name_or_path={model}", f"output_dir={tmp_path / 'a'}")
    assert code != 0 and "safetensors" in said.splitlines()[-1], said
    code, said = run("eval", str(model), "eval_dataset=tiny_arithmetic_test")
    assert code == 2 and "safetensors" in said

    assert run("train", *small, f"output_dir={tmp_path / 'lora'}")[0] == 0
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    shutil.copy(tmp_path / "lora" / "adapter_config.json", adapter)
    poison(adapter / "adapter_model.bin", made)
    code, said = run("train", *small, f"adapter_name_or_path={adapter}", f"output_dir={tmp_path / 'b'}")
    assert code == 2
    assert said.splitlines()[-1] == (
        f"error: {adapter}: holds its weights as a pickle, which could run code; "
        "save them as adapter_model.safetensors."
    )
    assert not made.exists()


def test_the_python_of_a_model_runs_once_recipe_and_command_line_say_so(tmp_path: Path, run: Run) -> None:
    made = tmp_path / "made"
    model = shutil.copytree(shipped.MODELS["tiny"], tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    classes = {"AutoConfig": "odd.OddConfig", "AutoModelForCausalLM": "odd.OddModel"}
    config |= {"model_type": "odd", "architectures": ["OddModel"], "auto_map": classes}
    (model / "config.json").write_text(json.dumps(config))
    (model / "odd.py").write_text(
        "from transformers import Qwen3Config, Qwen3ForCausalLM\n"
        f"open({str(made)!r}, 'w').close()\n"
        "class OddConfig(Qwen3Config):\n    model_type = 'odd'\n"
        "class OddModel(Qwen3ForCausalLM):\n    config_class = OddConfig\n"
    )
    text = (shipped.RECIPES / "quickstart.yaml").read_text()
    alone, both = tmp_path / "alone.yaml", tmp_path / "both.yaml"
    alone.write_text(text)
    both.write_text(f"{text}\ntrust_remote_code: true\n")
    ways = [(alone, ()), (both, ()), (alone, ("trust_remote_code=true",))]
    for number, (recipe, words) in enumerate(ways):
        folder = tmp_path / f"run-{number}"
        code, said = run("train", str(recipe), *SMALL, f"model_name_or_path={model}", f"output_dir={folder}", *words)
        assert code in (1, 2) and not made.exists(), said
    folder = tmp_path / "trusted"
    run("train", str(both), *SMALL, f"model_name_or_path={model}", f"output_dir={folder}", "trust_remote_code=true")
    assert made.exists()
