"""The recipes that come with grpoctl, and the documents that they stand for."""

import re
from pathlib import Path

import pytest
from support import GPU, LAPTOP

from grpoctl import shipped
from grpoctl.machine import Machine
from grpoctl.preflight import check
from grpoctl.recipe.load import load_recipe, read_recipe

pytestmark = pytest.mark.usefixtures("every_engine")

NAMES = shipped.recipe_names()
DOCUMENT = Path(__file__).parents[1] / "documents" / "llamafactory_grpo.yaml"


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_passes_check(name: str) -> None:
    found = check(read_recipe(name), Machine("server", 16, 128.0, 500.0, ("a GPU",), 8))
    assert found.errors == []
    # What is not on this machine is all that there is to warn of.
    assert {finding.key for finding in found.warnings} <= {
        "engine", "dataset", "eval_dataset", "model_name_or_path", "tokenizer_name_or_path",
    }  # fmt: skip


def test_the_quickstart_needs_nothing_from_elsewhere() -> None:
    found = check(read_recipe("quickstart"), LAPTOP)
    assert found.findings == []
    assert found.plan is not None
    assert found.plan.in_words() == "16 prompts x 8 completions = 128 completions a step, 80 steps"


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_opens_with_its_schema_and_its_command(name: str) -> None:
    lines = (shipped.RECIPES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# yaml-language-server: $schema=recipe.schema.json"
    assert lines[1].startswith("# ") and lines[1].endswith(".")
    assert any(line.startswith("#   grpoctl ") and f"{name}.yaml" in line for line in lines[:6])


def test_the_llamafactory_documents_recipe_passes_unchanged_and_means_what_it_says() -> None:
    reading = read_recipe(str(DOCUMENT))
    assert reading.findings == []
    recipe = load_recipe(str(DOCUMENT))
    assert recipe.engine == "trl"
    assert (recipe.stage, recipe.finetuning_type, recipe.lora_rank, recipe.lora_alpha) == ("grpo", "lora", 64, 128)
    assert (recipe.num_generations, recipe.pref_beta, recipe.scale_rewards) == (8, 0.04, "group")
    assert [reward.use for reward in recipe.reward_funcs] == ["accuracy", "format"]
    assert (recipe.max_prompt_length, recipe.learning_rate, recipe.num_train_epochs) == (4096, 5e-7, 1.0)
    found = check(reading, GPU)
    assert found.errors == []
    assert found.plan is not None
    # TRL would refuse batch 1 with G 8: here the batch counts prompts, 1 x 4 accumulated
    assert (found.plan.prompts, found.plan.completions) == (4, 32)


def test_the_shipped_copy_of_the_documents_recipe_says_the_same() -> None:
    document, copy = load_recipe(str(DOCUMENT)), load_recipe("qwen2.5_7b_math_lora")
    differing = {name for name, value in document if getattr(copy, name) != value}
    assert differing == {"system_prompt", "max_completion_length"}


def test_every_number_of_the_tpu_document_stands_in_its_recipe() -> None:
    recipe = load_recipe("qwen3_8b_gsm8k_maxtext")
    expected = {
        "val_size": 0.0,  # TRAIN_FRACTION = 1.0
        "max_steps": 200,  # NUM_BATCHES
        "model_name_or_path": "gs://maxtext-model-checkpoints/qwen3-8b/unscanned/0/items",
        "num_generations": 2,
        "pref_beta": 0.08,
        "epsilon": 0.2,
        "num_iterations": 1,
        "learning_rate": 3e-6,
        "warmup_ratio": 0.1,
        "max_grad_norm": 0.1,
        "temperature": 0.9,
        "top_k": 50,
        "max_completion_length": 1024,
        "save_steps": 500,
        "save_total_limit": 4,
        "vllm_gpu_util": 0.2,
        "attention": "dot_product",
        "remat": "custom",
        "scale_rewards": "none",  # A = R - mean
        "finetuning_type": "full",
        "bf16": True,
        "engine": "maxtext",
        "lr_scheduler_type": "cosine",
    }
    assert {name: getattr(recipe, name) for name in expected} == expected
    modes = recipe.eval_modes.model_dump()
    assert modes == {
        "greedy": {"temperature": 1e-4, "top_k": 1, "top_p": 1.0},
        "standard": {"temperature": 0.7, "top_k": 50, "top_p": 0.95},
        "liberal": {"temperature": 0.85, "top_k": 2000, "top_p": 1.0},
    }
    for name in ("val_size", "max_steps", "save_steps", "num_generations"):
        assert re.search(rf"^{name}:", (shipped.RECIPES / "qwen3_8b_gsm8k_maxtext.yaml").read_text(), re.MULTILINE)
