"""The card of an exported model says what is known, and nothing of the machine that it comes from."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_evals import report
from fake_run import make_run, tell

from grpoctl import __version__, shipped
from grpoctl.engines.base import Exported
from grpoctl.model_card import model_card
from grpoctl.recipe.load import load_recipe
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import EVAL
from grpoctl.run.manifest import Manifest, write_manifest
from grpoctl.targets import Target

HF = Exported("hf", "float32", 346_880)
PEFT = Exported("peft", "float32", 16_384)

RECIPE = """model_name_or_path: tiny
dataset: tiny_arithmetic
reward_funcs: accuracy,format
max_completion_length: 40
"""


@pytest.fixture
def trained(tmp_path: Path) -> RunDirectory:
    run = make_run(tmp_path / "runs" / "mine")
    run.recipe.write_text(RECIPE)
    return run


def target(run: RunDirectory | None, *overrides: str, adapter: bool = True, step: int = 80) -> Target:
    """A run's model at a step, which is told by the recipe with the overrides."""
    made = load_recipe("quickstart", list(overrides))
    if run is None:
        return Target(str(made.model_name_or_path), made, shipped.MODELS["tiny"])
    if adapter:
        (run.path / "adapter_config.json").write_text("{}")
    return Target(run.name, made, shipped.MODELS["tiny"], run.path, step, run)


def card(of: Target, exported: Exported = HF, folder: Path = shipped.MODELS["tiny"], place: str = "out") -> str:
    return model_card(of, exported, folder, place)


def front(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def part(text: str, title: str) -> str:
    return re.split(r"\n\n## |\n\nExported by ", text.partition(f"## {title}\n\n")[2])[0]


def told(text: str) -> dict[str, Any]:
    """The recipe that a card shows."""
    found: dict[str, Any] = yaml.safe_load(part(text, "Training").removeprefix("```yaml\n").partition("```")[0])
    return found


# --- front matter


def test_the_front_matter_names_base_and_data_by_their_names_on_the_hub(trained: RunDirectory) -> None:
    # gsm8k stands in the dataset_info.json that comes with grpoctl, as openai/gsm8k.
    text = card(target(trained, "model_name_or_path=Qwen/Qwen3-0.6B", "dataset=gsm8k,tiny_arithmetic"))
    assert front(text) == {
        "base_model": "Qwen/Qwen3-0.6B",
        "library_name": "transformers",
        "tags": ["grpo", "grpoctl"],
        "datasets": ["openai/gsm8k"],
    }


def test_what_is_not_on_the_hub_has_no_name_there(trained: RunDirectory) -> None:
    assert front(card(target(trained), PEFT)) == {"library_name": "peft", "tags": ["grpo", "grpoctl"]}


def test_a_model_that_no_run_made_was_trained_by_nobody_known() -> None:
    text = card(target(None, "adapter_name_or_path=./saves/mine"))
    assert front(text) == {"library_name": "transformers", "tags": ["grpoctl"]}
    assert "tiny with mine merged in: 346,880 parameters in float32." in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Use"]


@pytest.mark.parametrize(
    ("overrides", "adapter", "exported", "said"),
    [
        ((), True, HF, "tiny, trained with GRPO for 80 steps. Its adapters are merged into the weights: "),
        ((), False, HF, "tiny, trained with GRPO for 80 steps, every weight of it: "),
        ((), True, PEFT, "tiny, trained with GRPO for 80 steps: the adapters alone, 16,384 parameters in float32."),
        (("adapter_name_or_path=/a/b/start",), True, HF, "GRPO for 80 steps from the adapters start. Its adapters are"),
        (("quantization_bit=4",), True, HF, "Its adapters, trained beside 4-bit weights, are merged into the weights"),
    ],
)
def test_it_says_what_was_trained(
    overrides: tuple[str, ...], adapter: bool, exported: Exported, said: str, trained: RunDirectory
) -> None:
    assert said in card(target(trained, *overrides, adapter=adapter), exported)


# --- what trained it


def test_it_shows_the_keys_that_were_given_and_no_others(trained: RunDirectory) -> None:
    # make_run's manifest has the override seed=7.
    assert told(card(target(trained))) == {
        "model_name_or_path": "tiny",
        "reward_funcs": ["accuracy", "format"],
        "dataset": ["tiny_arithmetic"],
        "max_completion_length": 40,
        "seed": 7,
    }


def test_no_path_address_or_host_of_the_machine_is_told(trained: RunDirectory) -> None:
    secret = "/home/somebody/secret"
    trained.recipe.write_text(f"""model_name_or_path: {secret}/base
tokenizer_name_or_path: ~/secret/tokenizer
adapter_name_or_path: [../secret/one, Some/adapter]
dataset: [{secret}/rows.json, "secret/parts:train"]
dataset_dir: {secret}
output_dir: {secret}/out
cache_dir: {secret}/cache
deepspeed: secret/zero.json
reward_funcs:
  - {{use: {secret}/mine.py:brevity, words: 3}}
  - {{use: model, path: {secret}/My Files/judge}}
  - {{use: server, url: "http://secret.example:9000/score", retries: 3}}
vllm_server_host: secret.example
""")
    manifest = Manifest(f"{secret}/r.yaml", [f"eval_dataset={secret}/test.json"], "trl", folder=secret, host="secret")
    manifest.data = [{"file": f"{secret}/rows.json", "sha256": "ab" * 32, "bytes": 5000}]
    manifest.rewards = [{"file": f"{secret}/mine.py", "sha256": "cd" * 32, "bytes": 70}]
    manifest.command, manifest.git = ["grpoctl", "train", f"{secret}/r.yaml"], {"revision": "secret"}
    write_manifest(trained, manifest)
    tell(trained, (EVAL, report(80, 5, 10, dataset=f"{secret}/test.json,{secret}/more.json (held out)")))
    of = target(trained, f"model_name_or_path={secret}/base", f"dataset={secret}/rows.json")
    text = card(of, PEFT)
    assert "secret" not in text
    assert "somebody" not in text
    assert told(text) == {
        "model_name_or_path": "base",
        "tokenizer_name_or_path": "tokenizer",
        "adapter_name_or_path": ["one", "Some/adapter"],
        "dataset": ["rows.json", "parts:train"],
        "eval_dataset": ["test.json"],
        "deepspeed": "zero.json",
        "reward_funcs": [
            {"use": "mine.py:brevity", "args": {"words": 3}},
            {"use": "model", "args": {"path": "judge"}},
            {"use": "server", "args": {"retries": 3}},
        ],
    }
    assert "greedy, 10 problems of test.json, more.json (held out):" in text


def test_a_prompt_with_a_fence_in_it_stays_within_its_own(trained: RunDirectory) -> None:
    trained.recipe.write_text(RECIPE + 'system_prompt: "Write\\n```python\\n…"\n')
    assert part(card(target(trained)), "Training").startswith("````yaml\n")


def test_a_run_whose_recipe_is_gone_has_no_training_part(trained: RunDirectory) -> None:
    trained.recipe.unlink()
    assert "## Training" not in card(target(trained))


def test_data_has_its_names_its_sizes_and_its_hashes(trained: RunDirectory) -> None:
    manifest = Manifest("r.yaml", [], "trl")
    manifest.data = [{"file": "data/train.json", "sha256": "ab" * 32, "bytes": 218_492}]
    write_manifest(trained, manifest)
    text = part(card(target(trained, "dataset=gsm8k", "eval_dataset=tiny_arithmetic_test")), "Data")
    assert text.splitlines() == [
        "Trained on gsm8k (openai/gsm8k). Evaluated on tiny_arithmetic_test.",
        "",
        "| file | bytes | sha256 |",
        "| --- | ---: | ---: |",
        f"| train.json | 218,492 | `{'ab' * 32}` |",
    ]


def test_rows_are_told_where_the_manifest_counts_them(trained: RunDirectory) -> None:
    manifest = Manifest("r.yaml", [], "trl")
    manifest.data = [{"file": "train.json", "sha256": "ab" * 32, "bytes": 5, "rows": 2000}]
    write_manifest(trained, manifest)
    assert f"| train.json | 2,000 | 5 | `{'ab' * 32}` |" in card(target(trained))


def test_the_versions_are_those_that_trained_and_that_exported(trained: RunDirectory) -> None:
    manifest = Manifest("r.yaml", [], "trl", versions={"grpoctl": "0.0.9", "torch": "2.13.0", "vllm": None})
    write_manifest(trained, manifest)
    text = card(target(trained))
    assert "Trained with grpoctl 0.0.9, torch 2.13.0." in text
    assert text.endswith(f"Exported by grpoctl {__version__}.\n")


# --- evaluations


def test_evaluations_stand_before_and_after_with_their_intervals(trained: RunDirectory) -> None:
    before = report(0, 49, 200, accuracy_ci=[0.191, 0.309], rewards={"format": 0.5})
    after = report(80, 199, 200, accuracy_ci=[0.972, 0.999], rewards={"format": 1.0})
    tell(trained, (EVAL, before), (EVAL, report(40, 100, 200)), (EVAL, after))
    assert part(card(target(trained)), "Evaluation").splitlines()[2:] == [
        "greedy, 200 problems of tiny:",
        "",
        "|  | before training | after 80 steps |",
        "| --- | ---: | ---: |",
        "| right, in the answer tag | 24.5% [19.1%, 30.9%] | 99.5% [97.2%, 99.9%] |",
        "| in form | 100.0% | 100.0% |",
        "| cut off at the limit | 0.0% | 0.0% |",
        "| mean of the reward format | 0.5 | 1 |",
        "| tokens an answer | 20.5 | 20.5 |",
    ]


def test_a_checkpoint_is_told_by_its_own_evaluation(trained: RunDirectory) -> None:
    tell(trained, (EVAL, report(40, 100, 200)), (EVAL, report(80, 199, 200)))
    text = part(card(target(trained, step=40)), "Evaluation")
    assert "after 40 steps" in text
    assert "50.0%" in text
    assert "99.5%" not in text


def test_samples_of_several_answers_are_a_table_of_their_own(trained: RunDirectory) -> None:
    several = {"k": 4, "pass_at_k": {"1": 0.5, "4": 0.75}, "maj_at_k": 0.625, "never_solved_share": 0.25}
    trained.evals.mkdir()
    files = {
        "greedy-step-000080": report(80, 100, 200),
        "standard-step-000000-base-k4": report(0, 10, 40, "standard", base=True, k=4, pass_at_k={"1": 0.25, "4": 0.5}),
        "standard-step-000080-k4": report(80, 20, 40, "standard", **several),
        "greedy-step-000080-ab12cd": report(80, 0, 200),  # asked by other keys than the run's
    }
    for stem, found in files.items():
        (trained.evals / f"{stem}.json").write_text(json.dumps(found))
    (trained.evals / "damaged.json").write_text("{")
    text = part(card(target(trained)), "Evaluation")
    assert re.findall(r"^\w.*:$", text, re.MULTILINE) == [
        "greedy, 200 problems of tiny:",
        "standard, 40 problems of tiny, 4 answers to each:",
    ]
    assert "| pass@4 | 50.0% | 75.0% |" in text
    assert "| the most frequent answer is right | - | 62.5% |" in text
    assert "| right, in the answer tag | 50.0% [43.1%, 56.9%] |" in text  # Wilson's of 100 in 200


def test_without_evaluations_there_is_no_table(trained: RunDirectory) -> None:
    assert "## Evaluation" not in card(target(trained))


# --- use


def test_the_program_asks_as_training_did(trained: RunDirectory) -> None:
    text = part(card(target(trained, "system_prompt=Say it's 5.", "enable_thinking=false"), place="me/out"), "Use")
    assert 'from_pretrained("me/out", dtype="auto")' in text
    assert '{"role": "system", "content": "Say it\'s 5."}, {"role": "user", "content": question}' in text
    assert "enable_thinking=False" in text
    assert "max_new_tokens=40" in text
    compile(text.removeprefix("```python\n").removesuffix("```"), "card", "exec")


def test_the_program_of_adapters_loads_their_base_first(trained: RunDirectory) -> None:
    of = target(trained, "model_name_or_path=Qwen/Qwen3-0.6B")
    trusted = of.recipe.model_copy(update={"trust_remote_code": True})  # which takes recipe and command line
    text = part(card(replace(of, recipe=trusted), PEFT), "Use")
    assert 'AutoModelForCausalLM.from_pretrained("Qwen/Qwen3-0.6B", dtype="auto", trust_remote_code=True)' in text
    assert 'PeftModel.from_pretrained(model, "out")' in text


def test_without_a_chat_template_the_question_stands_alone(trained: RunDirectory, tmp_path: Path) -> None:
    text = part(card(target(trained), folder=tmp_path), "Use")
    assert 'inputs = tokenizer(question, return_tensors="pt")' in text
    assert "apply_chat_template" not in text
