import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grpoctl import shipped
from grpoctl.machine import Machine
from grpoctl.preflight import Preflight, check
from grpoctl.recipe.load import read_recipe
from grpoctl.rewards import registry

pytestmark = pytest.mark.usefixtures("every_engine")

LAPTOP = Machine("laptop", 2, 8.0, 50.0, (), 0)
GPU = Machine("server", 16, 128.0, 500.0, ("NVIDIA H200",), 0)

ROWS = [{"instruction": f"{n} + 1?", "input": "", "output": str(n + 1)} for n in range(10, 30)]


@pytest.fixture
def checked(recipe_file: Callable[..., Path], tmp_path: Path) -> Callable[..., Preflight]:
    """Checks a recipe with a data set `mine` of the given rows."""

    def run(extra: str = "", *overrides: str, rows: object = ROWS, machine: Machine = LAPTOP) -> Preflight:
        info = {"mine": {"file_name": "mine.json"}, "hubbed": {"hf_hub_url": "a/b"}}
        (tmp_path / "dataset_info.json").write_text(json.dumps(info))
        (tmp_path / "mine.json").write_text(json.dumps(rows), encoding="utf-8")
        always = ("dataset=mine", f"dataset_dir={tmp_path}")
        return check(read_recipe(str(recipe_file(extra)), (*always, *overrides)), machine)

    return run


def said(found: Preflight) -> list[str]:
    return [f"{finding.key}: {finding.problem}; {finding.fix}" for finding in found.findings]


def test_a_good_recipe_says_what_it_comes_to(checked: Callable[..., Preflight]) -> None:
    found = checked("gradient_accumulation_steps: 4\n")
    assert said(found) == []
    assert found.plan is not None
    assert found.plan.in_words() == "4 prompts x 8 completions = 32 completions a step, 15 steps"  # 3 epochs of 20 // 4
    assert found.rows is not None and len(found.rows) == 20
    assert found.prompts[0] == "<|im_start|>user\n10 + 1?<|im_end|>\n<|im_start|>assistant\n"
    assert (sum(found.gold_scores), sum(found.empty_scores)) == (1, 0)


def test_an_unknown_data_set_is_an_error_at_its_line(recipe_file: Callable[..., Path]) -> None:
    path = recipe_file().read_text().replace("tiny_arithmetic", "tiny_arithmatic")
    file = recipe_file()
    file.write_text(path)
    (finding,) = check(read_recipe(str(file)), LAPTOP).errors
    assert str(finding) == (
        f"{file}:2: dataset: names tiny_arithmatic, which no dataset_info.json has; did you mean tiny_arithmetic?"
    )


def test_a_data_set_or_model_that_is_elsewhere_is_a_warning(checked: Callable[..., Preflight]) -> None:
    found = checked("", "dataset=hubbed", "model_name_or_path=Some/Model")
    assert found.errors == []
    assert {finding.key for finding in found.warnings} == {"dataset", "model_name_or_path"}
    assert found.plan is not None and found.plan.steps is None


def test_a_model_folder_that_is_not_there_is_an_error(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    (finding,) = checked("", f"model_name_or_path={tmp_path}/gone").errors
    assert finding.problem == f"is {tmp_path}/gone, and no such folder is here"


def test_a_model_folder_without_a_tokenizer_is_an_error(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    (finding,) = checked("", f"model_name_or_path={tmp_path}").errors
    assert finding.problem == "has no config.json"


def test_a_downloaded_model_is_found_in_the_hub_cache(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    kept = tmp_path / "cache" / "models--Some--Model"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("abc123")
    shutil.copytree(shipped.MODELS["tiny"], kept / "snapshots" / "abc123")
    found = checked("", "model_name_or_path=Some/Model", f"cache_dir={tmp_path}/cache")
    assert found.warnings == []
    assert found.prompt_tokens


def test_prompts_that_are_too_long_are_left_out_and_counted(checked: Callable[..., Preflight]) -> None:
    rows = [*ROWS, {"instruction": "7 " * 60, "output": "7"}]
    found = checked("max_prompt_length: 30\n", rows=rows)
    assert found.rows is not None and len(found.rows) == 20
    assert "leaves out 1 of 21 prompts" in found.warnings[0].problem
    assert checked("max_prompt_length: 2\n", rows=rows).errors[0].key == "max_prompt_length"


def test_more_tokens_than_the_model_was_made_for_is_a_warning(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("", "max_completion_length=510").warnings
    assert finding.key == "max_completion_length"
    assert "more than the model's 512" in finding.problem


def test_fewer_rows_than_a_step_takes_is_an_error(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("per_device_train_batch_size: 16\ngradient_accumulation_steps: 2\n").errors
    assert finding.problem == "has 20 usable rows, and a step takes 32 prompts"


def test_bad_rows_are_errors_with_their_place(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked(rows=[*ROWS, {"instruction": "?", "output": None}]).errors
    assert finding.problem == "row 21 has no text or number in output, the gold answer"


def test_a_reward_that_the_gold_answer_cannot_reach_is_an_error(checked: Callable[..., Preflight]) -> None:
    rows = [{**row, "output": "a lot"} for row in ROWS]
    (finding,) = checked("", "reward_funcs=accuracy,check_numbers", rows=rows).errors
    assert finding.key == "reward_funcs.1"
    assert finding.problem == 'gives check_numbers 0 of 1.5 for the gold answer "a lot" (20 of 20 tried)'


def test_an_unknown_reward_is_an_error_with_a_suggestion(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("", "reward_funcs=accuracy,fromat").errors
    assert (finding.key, finding.fix) == ("reward_funcs.1.use", "did you mean format?")


def test_no_word_of_the_answer_tag_is_a_warning(recipe_file: Callable[..., Path]) -> None:
    overrides = ("system_prompt=null", "reasoning_tag=reasoning")
    (finding,) = check(read_recipe(str(recipe_file()), overrides), LAPTOP).warnings
    assert finding.key == "system_prompt"
    assert finding.problem == "is missing, and no prompt asks for <answer>, which rewards read"


def test_an_output_folder_in_use_is_an_error_unless_the_recipe_allows_it(
    checked: Callable[..., Preflight], tmp_path: Path
) -> None:
    used = tmp_path / "used"
    used.mkdir()
    assert checked("", f"output_dir={used}").errors == []
    (used / "events.jsonl").touch()
    assert [finding.key for finding in checked("", f"output_dir={used}").errors] == ["output_dir"]
    assert checked("", f"output_dir={used}", "overwrite_output_dir=true").errors == []
    assert checked("", f"output_dir={used}", "resume_from_checkpoint=true").errors == []
    assert checked("", f"output_dir={used}/events.jsonl").errors[0].fix == "name a folder"


def test_what_this_machine_lacks_is_a_warning(checked: Callable[..., Preflight]) -> None:
    extra = "bf16: true\nuse_vllm: true\nquantization_bit: 4\n"
    assert {finding.key for finding in checked(extra).warnings} >= {"bf16", "use_vllm", "quantization_bit"}
    assert checked(extra, machine=GPU).warnings == []
    assert checked(extra).errors == []


def test_a_deepspeed_file_has_to_be_there(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    assert checked("", "deepspeed=z3").errors == []
    assert [finding.key for finding in checked("", f"deepspeed={tmp_path}/ds.json").errors] == ["deepspeed"]


def test_an_unreadable_recipe_is_reported_alone() -> None:
    found = check(read_recipe("/nowhere/at/all.yaml"), LAPTOP)
    assert len(found.errors) == 1
    assert found.recipe is None


def test_an_engine_that_is_not_installed_is_a_warning_with_the_command(
    checked: Callable[..., Preflight], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grpoctl.preflight.surroundings.missing_packages", lambda packages: ["trl", "peft"])
    (finding,) = checked().warnings
    assert str(finding).endswith(
        "engine: is trl, and this Python lacks trl, peft; install them: pip install 'grpoctl[trl]'."
    )


def test_a_misnamed_column_is_told_once_at_its_entry(checked: Callable[..., Preflight]) -> None:
    found = checked(rows=[{"question": "1+1?", "answer": "#### 2"}] * 30)
    assert [(finding.key, finding.problem) for finding in found.errors] == [
        ("columns.prompt", "is instruction, and the rows have question, answer"),
        ("columns.response", "is output, and the rows have question, answer"),
    ]


def test_a_column_that_the_entry_names_and_no_row_has_is_an_error(
    checked: Callable[..., Preflight], tmp_path: Path
) -> None:
    checked()
    columns = {"prompt": "instruction", "query": "inputs", "response": "output"}
    info = {"mine": {"file_name": "mine.json", "columns": columns}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info, indent=1))
    overrides = ("dataset=mine", f"dataset_dir={tmp_path}")
    (finding,) = check(read_recipe(str(tmp_path / "r.yaml"), overrides), LAPTOP).errors
    assert str(finding) == (
        f"{tmp_path}/dataset_info.json:6: columns.query: is inputs, and the rows have instruction, input, output; "
        "did you mean input?"
    )


def test_a_worked_solution_as_the_gold_answer_is_a_warning(checked: Callable[..., Preflight]) -> None:
    essay = "First we add the two numbers, then we look at what came of it, and the answer is then plainly seven."
    found = checked(rows=[{**row, "output": essay} for row in ROWS])
    assert "dataset" in {finding.key for finding in found.warnings}
    behind_marks = [{**row, "output": f"{essay}\n#### {row['output']}"} for row in ROWS]
    assert checked(rows=behind_marks).findings == []


def test_rewards_that_pull_nowhere_are_a_warning(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("", "reward_funcs=[{use: accuracy}, {use: format, weight: -1}]").warnings
    assert finding.problem == "give a right answer no more than an empty one"


@pytest.mark.parametrize(
    ("prompt", "untold"),
    [
        ("You are a helpful assistant.", "<answer> and <reasoning>"),
        ("First <think>, then <answer>.", "<reasoning>"),
        ("First <reasoning>, then <answer>.", None),
    ],
)
def test_a_system_prompt_that_asks_for_other_tags_is_a_warning(
    checked: Callable[..., Preflight], prompt: str, untold: str | None
) -> None:
    overrides = (f"system_prompt={prompt}", "reasoning_tag=reasoning", "reward_funcs=accuracy,format")
    for model in ("tiny", "Some/Model"):
        found = checked("", *overrides, f"model_name_or_path={model}")
        said = [finding.problem for finding in found.warnings if finding.key == "system_prompt"]
        expected = [f"does not speak of them, and no prompt asks for {untold}, which rewards read"] if untold else []
        assert said == expected


@pytest.mark.parametrize(
    ("name", "problem", "fix"),
    [
        ("https://huggingface.co/Qwen/Qwen3-0.6B", "is an address", "use the name in it, such as Qwen/Qwen3-0.6B"),
        ("s3://b/m", "is in a store that is not read", "use a folder, a Hugging Face name or a gs:// path"),
        ("model.gguf", "is a GGUF file, which cannot be trained", "use the Hugging Face model that it was made from"),
        ("tyny", "is no model", "did you mean tiny?"),
        (
            "Qwen/Qwen3/0.6B",
            "is Qwen/Qwen3/0.6B, and no such folder is here",
            "check the path, or give a Hugging Face name",
        ),
    ],
)
def test_a_name_that_no_model_can_have_is_an_error(
    checked: Callable[..., Preflight], name: str, problem: str, fix: str
) -> None:
    (finding,) = checked("", f"model_name_or_path={name}").errors
    assert finding.problem.startswith(problem)
    assert finding.fix.startswith(fix)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no safetensors weights"),
        ("tokenizer.json", "has no tokenizer.json"),
        ("cut", "has a model.safetensors that is cut short"),
        ("head", "has a model.safetensors that is cut short"),
    ],
)
def test_a_model_folder_that_is_not_whole_is_an_error(
    checked: Callable[..., Preflight], tmp_path: Path, damage: str, problem: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(shipped.MODELS["tiny"], folder)
    weights = folder / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:100_000])
    elif damage == "head":
        weights.write_bytes(b"\xff" * 5000)
    else:
        (folder / damage).unlink()
    (finding,) = checked("", f"model_name_or_path={folder}").errors
    assert finding.problem == problem


def test_files_that_the_recipe_names_have_to_be_there(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    for key in ("adapter_name_or_path", "resume_from_checkpoint", "dataset_dir", "deepspeed"):
        assert [finding.key for finding in checked("", f"{key}={tmp_path}/gone").errors] == [key]


def test_a_dollar_in_a_path_is_a_warning(checked: Callable[..., Preflight]) -> None:
    assert [finding.key for finding in checked("", "output_dir=$HOME/x").warnings] == ["output_dir"]


def test_packages_that_keys_ask_for_are_named(
    checked: Callable[..., Preflight], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "grpoctl.preflight.surroundings.missing_packages",
        lambda packages: [p for p in packages if p in ("wandb", "vllm")],
    )
    found = checked("report_to: wandb,tensorboard\nuse_vllm: true\n", machine=GPU)
    assert {(finding.key, finding.fix) for finding in found.warnings} == {
        ("report_to", "install it: pip install wandb"),
        ("use_vllm", "install it: pip install vllm"),
    }


def test_more_processes_than_gpus_is_a_warning(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("nproc_per_node: 8\n", machine=GPU).warnings
    assert finding.problem == "is 8, and this machine has 1 GPU"


def test_val_size_that_leaves_too_little_or_keeps_nothing(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("val_size: 5000\n").errors
    assert finding.problem == "keeps back 20 of 20 rows, and a step takes 1 prompts"
    (warned,) = checked("val_size: 0.0001\n").warnings
    assert warned.key == "val_size"


def test_a_completion_length_below_a_bare_answer_is_a_warning(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("", "max_completion_length=5").warnings
    # <think></think>, a new line, <answer>11</answer>
    assert finding.problem == "is 5, and a gold answer in its tags takes 7 tokens without any reasoning"


def test_the_mlp_engine_says_what_it_cannot_check(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("hidden_sizes: [128]\ndataset: mnist\n")
    found = check(read_recipe(str(path)), LAPTOP)
    assert found.errors == []
    assert [finding.key for finding in found.warnings] == ["dataset"]


def test_a_key_that_is_wrong_is_not_talked_about_twice(checked: Callable[..., Preflight]) -> None:
    assert [finding.key for finding in checked("", "dataset_dir=7").errors] == ["dataset_dir"]
    assert [finding.key for finding in checked("", "output_dir=[a]").findings] == ["output_dir"]


def test_each_of_several_unknown_data_sets_is_named(checked: Callable[..., Preflight]) -> None:
    assert [finding.key for finding in checked("", "dataset=mine,nosuch,gone").errors] == ["dataset.1", "dataset.2"]


def test_several_data_sets_are_mixed_as_the_recipe_says(checked: Callable[..., Preflight]) -> None:
    found = checked("", "dataset=mine,tiny_arithmetic", "mix_strategy=interleave_under")
    assert found.rows is not None
    assert [len(row.question) < 10 for row in found.rows] == [True, False] * 20


def test_the_limit_is_called_as_the_recipe_calls_it(checked: Callable[..., Preflight]) -> None:
    assert checked("cutoff_len: 2\n").errors[0].key == "cutoff_len"


def test_a_tokenizer_apart_from_the_model_is_the_one_that_is_read(checked: Callable[..., Preflight]) -> None:
    found = checked("", "model_name_or_path=Some/Model", "tokenizer_name_or_path=tiny")
    assert found.findings == []
    assert len(found.prompts) == 20
    (warned,) = checked("", "tokenizer_name_or_path=Some/Tokenizer").warnings
    assert warned.key == "tokenizer_name_or_path"


def test_the_thinking_switch_reaches_the_template(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(shipped.MODELS["tiny"], folder)
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }} {{ enable_thinking }}")
    assert checked("enable_thinking: no\n", f"model_name_or_path={folder}").prompts[0] == "10 + 1? False"


def test_findings_come_in_the_order_of_the_recipes_lines(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    found = checked(f"deepspeed: {tmp_path}/gone\noutput_dir: /dev/null\nnproc_per_node: 0\n", rows=[*ROWS, {}])
    keys = [finding.key for finding in found.errors]
    assert keys == ["deepspeed", "output_dir", "nproc_per_node", ""]


def test_an_export_recipe_is_checked_without_data(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(f"model_name_or_path: tiny\nexport_dir: {tmp_path}/out\n")
    found = check(read_recipe(str(path)), LAPTOP)
    assert (found.findings, found.plan) == ([], None)


def test_a_reward_that_reads_a_column_which_the_data_lacks_is_an_error(
    checked: Callable[..., Preflight], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_REWARDS", dict(registry.all_rewards()))

    def levels(completions: list[str], level: list[int]) -> list[float | None]:
        """The level of each row."""
        return [float(value) for value in level]

    registry.reward(maximum=None)(levels)
    (finding,) = checked("", "reward_funcs=accuracy,levels").errors
    assert finding.problem == "uses levels, which reads level, a column that the data lacks"
    found = checked(
        "", "reward_funcs=[{use: levels, weight: 2.0}, accuracy]", rows=[{**row, "level": 3} for row in ROWS]
    )
    assert (found.gold_scores, found.empty_scores) == ([6.0, 1.0], [6.0, 0.0])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="takes root to become another user")
def test_an_output_folder_that_may_not_be_written_is_an_error(
    checked: Callable[..., Preflight], tmp_path: Path
) -> None:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    found = checked("", f"output_dir={tmp_path}/new")
    assert found.errors == []
    os.seteuid(65534)
    try:
        (finding,) = checked_again(tmp_path).errors
    finally:
        os.seteuid(0)
    assert finding.problem == f"is {tmp_path}/new, and you may not write to {tmp_path}"


def checked_again(folder: Path) -> Preflight:
    """The recipe that is already in a folder, as whoever asks."""
    return check(read_recipe(str(folder / "r.yaml"), (f"output_dir={folder}/new",)), LAPTOP)


@pytest.mark.parametrize("output", ["/dev/null/x", "/dev/null", "a" * 300])
def test_an_output_folder_that_cannot_be_is_an_error(checked: Callable[..., Preflight], output: str) -> None:
    assert [finding.key for finding in checked("", f"output_dir={output}").errors] == ["output_dir"]


def test_engines_for_elsewhere_are_warned_of(
    checked: Callable[..., Preflight], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.version_info", (3, 12))
    found = checked("", "engine=maxtext", "model_name_or_path=tiny")
    assert [finding.problem for finding in found.warnings] == [
        "is meant for TPUs under engine maxtext, and none is here"
    ]
    monkeypatch.setattr("sys.version_info", (3, 11))
    found = checked("", "engine=maxtext", "model_name_or_path=tiny")
    assert "is maxtext, which needs Python 3.12" in [finding.problem for finding in found.warnings]


def test_the_extra_of_the_mlp_engine_is_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grpoctl.preflight.surroundings.missing_packages", lambda packages: ["jax"])
    path = tmp_path / "m.yaml"
    path.write_text("hidden_sizes: [128]\ndataset: mnist\n")
    fixes = [finding.fix for finding in check(read_recipe(str(path)), LAPTOP).warnings]
    assert "install them: pip install 'grpoctl[mnist]'" in fixes


def test_a_reward_with_tags_of_its_own_is_tried_with_them(checked: Callable[..., Preflight]) -> None:
    assert checked("", "reward_funcs=[{use: accuracy, args: {answer_tag: final}}]").errors == []
