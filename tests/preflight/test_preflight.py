from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from idx_files import write_idx
from support import LAPTOP, ROWS

from grpoctl.digits.sets import DigitSet, idx_folder
from grpoctl.preflight import Preflight, check, pictures
from grpoctl.preflight.words import facts
from grpoctl.recipe.load import read_recipe

pytestmark = pytest.mark.usefixtures("every_engine")


def test_a_good_recipe_says_what_it_comes_to(checked: Callable[..., Preflight]) -> None:
    found = checked("gradient_accumulation_steps: 4\n")
    assert found.findings == []
    assert found.plan is not None
    assert found.plan.in_words() == "4 prompts x 8 completions = 32 completions a step, 15 steps"  # 3 epochs of 20 // 4
    assert found.rows is not None and len(found.rows) == 20
    assert found.prompts[0] == "<|im_start|>user\n10 + 1?<|im_end|>\n<|im_start|>assistant\n"
    assert (sum(found.gold_scores), sum(found.empty_scores)) == (1, 0)


def test_fewer_rows_than_a_step_takes_is_an_error(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("per_device_train_batch_size: 16\ngradient_accumulation_steps: 2\n").errors
    assert finding.problem == "has 20 usable rows, and a step takes 32 prompts"


def test_an_unreadable_recipe_is_reported_alone() -> None:
    found = check(read_recipe("/nowhere/at/all.yaml"), LAPTOP)
    assert len(found.errors) == 1
    assert found.recipe is None


def test_val_size_that_leaves_too_little_or_keeps_nothing(checked: Callable[..., Preflight]) -> None:
    (finding,) = checked("val_size: 5000\n").errors
    assert finding.problem == "keeps back 20 of 20 rows, and a step takes 1 prompt"
    (warned,) = checked("val_size: 0.0001\n").warnings
    assert warned.key == "val_size"


def test_the_pictures_of_a_network_are_counted_and_a_file_cut_short_is_named(tmp_path: Path) -> None:
    path, folder = tmp_path / "m.yaml", write_idx(tmp_path / "idx", train=40, test=10)
    text = f"hidden_sizes: [128]\ndataset: {folder}\neval_dataset: {folder}:test\nper_device_train_batch_size: 8\n"
    path.write_text(text)
    found = check(read_recipe(str(path)), LAPTOP)
    assert found.findings == []
    assert found.plan is not None
    assert found.plan.in_words() == "8 prompts x 8 completions = 64 completions a step, 15 steps"
    assert facts(found)["data"] == f"{folder}: 40 rows"
    file = folder / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:5000])
    (finding,) = check(read_recipe(str(path)), LAPTOP).errors
    assert str(finding) == f"{file}: is cut short: it promises 40 pictures and holds 6; fetch it again."


def test_that_other_digits_stand_in_for_mnist_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_idx(tmp_path / "idx", train=40, test=10)

    def other(name: str, *_: object) -> DigitSet:
        split = name.partition(":")[2] or "train"
        held = idx_folder(folder, split)
        assert isinstance(held, DigitSet)
        return replace(held, stands_for=f"mnist:{split}")

    monkeypatch.setattr(pictures, "find_set", other)
    (warned,) = check(read_recipe("mnist_grpo"), LAPTOP).warnings
    assert warned.key == "dataset" and warned.problem.startswith("names mnist:train, which is not here")


def test_a_default_that_is_left_to_the_engine_is_said_in_words(checked: Callable[..., Preflight]) -> None:
    assert "per_device_eval_batch_size as many as fit (not 8)" in facts(checked(""))["defaults"]


def test_a_network_without_its_digits_says_so_at_the_key(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("hidden_sizes: [128]\ndataset: mnst\n")
    (finding,) = check(read_recipe(str(path)), LAPTOP).errors
    assert (finding.key, finding.line, finding.fix) == ("dataset", 2, "did you mean mnist?")


def test_a_key_that_is_wrong_is_not_talked_about_twice(checked: Callable[..., Preflight]) -> None:
    assert [finding.key for finding in checked("", "dataset_dir=7").errors] == ["dataset_dir"]
    assert [finding.key for finding in checked("", "output_dir=[a]").findings] == ["output_dir"]


def test_findings_come_in_the_order_of_the_recipes_lines(checked: Callable[..., Preflight], tmp_path: Path) -> None:
    found = checked(f"deepspeed: {tmp_path}/gone\noutput_dir: /dev/null\nnproc_per_node: 0\n", rows=[*ROWS, {}])
    keys = [finding.key for finding in found.errors]
    assert keys == ["deepspeed", "output_dir", "nproc_per_node", ""]


def test_an_export_recipe_is_checked_without_data(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(f"model_name_or_path: tiny\nexport_dir: {tmp_path}/out\n")
    found = check(read_recipe(str(path)), LAPTOP)
    assert (found.findings, found.plan) == ([], None)
