import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grpoctl import shipped
from grpoctl.machine import Machine
from grpoctl.preflight import Preflight, check
from grpoctl.recipe.load import read_recipe

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
    assert finding.problem == "has no tokenizer.json"


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
    assert finding.problem == "has no text or number in output, the gold answer"


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
    assert finding.fix == 'ask for <reasoning> and <answer> in it, or set it to ""'


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
    monkeypatch.setattr("grpoctl.preflight.surroundings.missing_packages", lambda engine: ["trl", "peft"])
    (finding,) = checked().warnings
    assert str(finding).endswith(
        "engine: is trl, and this Python lacks trl, peft; install them: pip install 'grpoctl[trl]'."
    )
