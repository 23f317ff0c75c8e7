"""`grpoctl estimate`: what a recipe takes, for people and for programs."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

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


def test_a_cpu_run_is_measured_against_this_machine(grpoctl: Command) -> None:
    pytest.importorskip("numpy")
    code, said, _ = grpoctl("estimate", "quickstart", "--json")
    told = json.loads(said)
    assert (code, told["fits"], told["device"]["name"]) == (0, True, "this machine")
    assert told["rates"].startswith("measured") and told["prompt_tokens"] < 100


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
    code, said, _ = grpoctl("estimate", "quickstart", "engine=mlp", "hidden_sizes=128, 128", "model_name_or_path=null",
                            "reward_funcs=null", "dataset=digits")  # fmt: skip
    if code == 0:  # what the recipe's other keys mean there is for check
        assert "a network of 118,282 parameters" in said and "with a critic of 117,121" in said


def test_an_estimate_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom grpoctl.cli import main\nmain(['estimate', 'qwen3_gsm8k', '--json'])\n"
        "heavy = {'torch', 'jax', 'transformers', 'trl', 'datasets', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
