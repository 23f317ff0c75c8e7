import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support import LAPTOP, ROWS

from grpoctl import shipped
from grpoctl.preflight import Preflight, check
from grpoctl.recipe.load import read_recipe

pytestmark = pytest.mark.usefixtures("every_engine")


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


def test_no_word_of_the_answer_tag_is_a_warning(recipe_file: Callable[..., Path]) -> None:
    overrides = ("system_prompt=null", "reasoning_tag=reasoning")
    (finding,) = check(read_recipe(str(recipe_file()), overrides), LAPTOP).warnings
    assert finding.key == "system_prompt"
    assert finding.problem == "is missing, and no prompt asks for <answer>, which rewards read"


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


def test_a_completion_length_below_a_bare_answer_is_a_warning(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("", "max_completion_length=5").warnings
    # <think></think>, a new line, <answer>11</answer>
    assert finding.problem == "is 5, and a gold answer in its tags takes 7 tokens without any reasoning"


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


def test_a_system_prompt_that_takes_the_place_of_the_rows_own_is_told(checked: Callable[..., Preflight]) -> None:
    rows = [{**row, "system": "Be brief."} if number < 3 else row for number, row in enumerate(ROWS)]
    (finding,) = checked("", "system_prompt=Answer in <answer> tags.", rows=rows).warnings
    assert (finding.key, finding.problem) == (
        "system_prompt", "takes the place of the system turn that 3 of 20 rows bring",
    )  # fmt: skip
