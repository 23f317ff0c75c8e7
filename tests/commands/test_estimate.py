"""`grpoctl estimate`: what a recipe takes, for people and for programs."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grpoctl import shipped

Command = Callable[..., tuple[int, str, str]]


def test_one_json_document_has_what_scripts_rely_on(grpoctl: Command) -> None:
    code, said, _ = grpoctl("estimate", "qwen2.5_7b_math_lora", "--json", "--price", "2.5", "--layouts", "4")
    told = json.loads(said)
    assert code == 0
    assert told["total_gib"] == pytest.approx(sum(told["parts"].values()), abs=0.01)
    assert told["ppo_total_gib"] > told["total_gib"] and told["fits"] is True
    assert {"weights", "gradients", "optimiser", "LoRA", "activations", "logits", "KV cache", "vLLM"} <= told[
        "parts"
    ].keys()
    assert set(told["moments"]) == {"rollout", "forward", "backward", "update"}
    assert told["step_s"] == pytest.approx(sum(told["step_parts_s"].values()), abs=0.01)
    # 50 steps on one device
    assert told["cost"] == pytest.approx(told["step_s"] * told["steps"] * 2.5 / 3600, abs=0.01)
    assert len(told["layouts"]) == 9


@pytest.mark.parametrize("name", shipped.recipe_names())
def test_the_parts_sum_to_the_total_on_every_recipe(name: str, grpoctl: Command) -> None:
    code, said, _ = grpoctl("estimate", name, "--json")
    told = json.loads(said)
    assert code == 0 and sum(told["parts"].values()) == pytest.approx(told["total_gib"], abs=6e-4)
    code, said, _ = grpoctl("estimate", name)
    head, *rows = (line for line in said.splitlines() if line.startswith(("MiB", "GiB", *told["parts"], "total ")))
    rows = rows[: 1 + next(place for place, row in enumerate(rows) if row.startswith("total "))]
    # Whole columns alone: the last one, "update" or the network's only one, has every part that is printed there.
    printed = [float(row.split()[-1]) for row in rows if len(row) > len(head) - 2]
    assert sum(printed[:-1]) == pytest.approx(printed[-1], abs=0.06 * len(printed)), said


def test_people_get_a_table_of_parts_and_moments(grpoctl: Command) -> None:
    code, said, _ = grpoctl("estimate", "recipes/qwen2.5_7b_math_lora.yaml", "--device", "a100", "--price", "2")
    assert code == 0
    assert "7.62 billion parameters, 161.5 million trained (LoRA of rank 64)" in said
    assert "it fits the 80 GiB of A100 80GB" in said
    for part in ("weights", "KV cache", "the documents' 64 GB against 128 GB (8B)", "seconds a step", "at 2 an hour"):
        assert part in said


def test_overrides_and_a_memory_of_ones_own_count(grpoctl: Command) -> None:
    code, said, _ = grpoctl("estimate", "qwen3_gsm8k", "finetuning_type=full", "--memory", "48", "--json")
    told = json.loads(said)
    assert code == 0 and told["fits"] is False and told["device"]["memory_gib"] == 48
    assert told["to_fit"].startswith("it fits with ")


def test_a_memory_of_ones_own_is_no_h100s(grpoctl: Command) -> None:
    code, said, _ = grpoctl("estimate", "qwen3_gsm8k", "--memory", "12", "--price", "2")
    assert code == 0 and "a GPU (12 GiB, by --memory)" in said and "the 12 GiB that --memory gives" in said
    assert "no time and no cost is told" in said and "12 GiB of H100" not in said
    _, said, _ = grpoctl("estimate", "qwen3_gsm8k", "--memory", "12", "--device", "h100")
    assert "H100 (12 GiB, by --memory)" in said and "seconds a step" in said


def test_a_card_without_bf16_is_told_so(grpoctl: Command) -> None:
    _, said, _ = grpoctl("estimate", "quickstart", "bf16=true", "--device", "t4")
    assert "but T4 has no bf16: use fp16=true bf16=false there" in said


def test_a_price_without_the_data_is_for_a_thousand_steps(grpoctl: Command) -> None:
    _, said, _ = grpoctl("estimate", "qwen3_gsm8k", "--price", "2")
    assert "the number of steps is not known, as the data is not here; per 1,000 steps: " in said
    assert " at 2 an hour" in said.splitlines()[-1]
    _, said, _ = grpoctl("estimate", "qwen3_gsm8k", "--price", "2", "--json")
    told = json.loads(said)
    assert told["cost"] is None and told["cost_of_1000_steps"] == pytest.approx(told["step_s"] * 2 / 3.6, rel=1e-3)


def test_a_model_that_its_engine_refuses_is_not_reckoned(grpoctl: Command, tmp_path: Path) -> None:
    model = tmp_path / "gpt"
    shutil.copytree(shipped.MODELS["tiny"], model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"model_type": "gpt_neox"}))
    words = ("quickstart", f"model_name_or_path={model}", "engine=tunix")
    code, _, told = grpoctl("estimate", *words)
    assert code == 2 and "model_name_or_path: " in told and "gpt_neox" in told
    _, _, of_check = grpoctl("check", *words)
    assert told.splitlines()[0].removeprefix("error: ") in of_check


def test_a_cpu_run_is_measured_against_this_machine(grpoctl: Command) -> None:
    pytest.importorskip("numpy")
    code, said, _ = grpoctl("estimate", "quickstart", "--json")
    told = json.loads(said)
    assert (code, told["fits"], told["device"]["name"]) == (0, True, "this machine")
    assert told["rates"].startswith("measured") and told["prompt_tokens"] < 100
    assert "65,536 trained (LoRA of rank 16)" in grpoctl("estimate", "quickstart")[1]


def test_what_cannot_be_reckoned_is_one_line(grpoctl: Command) -> None:
    for words, said in (
        (("model_name_or_path=some/model",), "model_name_or_path: is some/model, whose config.json is not here"),
        (("--device", "h1000"), "--device: is h1000, which is not known; did you mean h100?"),
        (("--price", "-1"), "--price: is -1; give a number above 0"),
        (("lora_rank=0",), "lora_rank: is 0"),
    ):
        code, _, told = grpoctl("estimate", "qwen3_gsm8k", *words)
        assert code == 2 and said in told and len(told.splitlines()) == 1


def test_a_network_on_digits_has_its_table(grpoctl: Command) -> None:
    code, said, _ = grpoctl("estimate", "mnist_grpo")
    assert code == 0 and "a network of 118,282 parameters" in said
    assert "with the critic, a network of 117,121 parameters" in said
    code, said, _ = grpoctl("estimate", "mnist_ppo")
    assert code == 0 and "\ncritic " in said and "without the critic" in said


def test_a_network_on_digits_has_a_price_and_no_layouts(grpoctl: Command) -> None:
    pytest.importorskip("numpy")
    code, said, beside = grpoctl("estimate", "mnist_grpo", "--price", "2", "--layouts", "4")
    assert code == 0 and "590 steps: " in said and " at 2 an hour" in said
    assert beside == "--layouts: says nothing here, as a network on digits trains on one device.\n"
    _, said, _ = grpoctl("estimate", "mnist_grpo", "--price", "2", "--device", "h100")
    assert "no time and no cost is told of a network this small on H100" in said


def test_an_estimate_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom grpoctl.cli import main\nmain(['estimate', 'qwen3_gsm8k', '--json'])\n"
        "heavy = {'torch', 'jax', 'transformers', 'trl', 'datasets', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
