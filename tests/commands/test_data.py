"""`grpoctl data`: which data sets there are, and how rows become prompts."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from grpoctl.commands.data import histogram

Command = Callable[..., tuple[int, str, str]]
GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two rows under an entry, an entry that is wrong, and one of the hub."""
    rows = [{"q": "1 + 1?", "a": "2", "hard": False}, {"q": "a longer one: 22 + 22?", "a": "44", "hard": True}]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    info = {
        "sums": {"file_name": "sums.jsonl", "columns": {"prompt": "q", "answer": "a"}},
        "wrong": {"file_nam": "x.json"},
        "far": {"hf_hub_url": "some/where", "columns": {"prompt": "q", "answer": "a"}},
    }
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    return tmp_path


def test_the_list_names_the_users_own_and_grpoctls(grpoctl: Command, folder: Path) -> None:
    code, said, _ = grpoctl("data", "list", f"dataset_dir={folder}", "--json", f"cache_dir={folder}")
    rows = {row["name"]: row for row in json.loads(said)["rows"]}
    assert code == 0
    assert list(rows)[:3] == ["sums", "wrong", "far"] and {"tiny_arithmetic", "gsm8k", "small_code"} <= rows.keys()
    assert rows["sums"] == {
        "name": "sums", "source": str(folder / "sums.jsonl"), "here": True, "split": "train", "formatting": "alpaca",
    }  # fmt: skip
    assert (rows["far"]["here"], rows["far"]["source"]) == (False, "hub: some/where")
    assert "file_nam" in rows["wrong"]["problem"]
    code, said, _ = grpoctl("data", "list", f"dataset_dir={folder}", f"cache_dir={folder}")
    assert code == 0 and re.search(r"^far +alpaca +hub: some/where$", said, re.MULTILINE)


def test_the_preview_shows_prompts_tokens_answers_and_lengths(grpoctl: Command, folder: Path) -> None:
    words = ("data", "preview", "sums", f"dataset_dir={folder}", "system_prompt=Add.")
    code, said, wrong = grpoctl(*words)
    assert (code, wrong) == (0, "")
    assert said.startswith("sums: 2 rows of q, a, hard\n")
    assert "  | <|im_start|>system\n  | Add.<|im_end|>\n  | <|im_start|>user\n  | 1 + 1?<|im_end|>\n" in said
    assert "gold answer 44" in said and "tokens of a prompt, by tiny: " in said and "█" in said
    code, said, _ = grpoctl(*words, "--json", "--rows", "1")
    shown = json.loads(said)
    (row,) = shown["rows"]
    assert (row["answer"], shown["count"], shown["columns"]) == ("2", 2, ["q", "a", "hard"])
    assert row["tokens"] == shown["prompt_tokens"]["min"] < shown["prompt_tokens"]["max"]
    assert sum(part["rows"] for part in shown["histogram"]) == 2


def test_a_path_is_previewed_and_the_guess_is_told(grpoctl: Command, folder: Path) -> None:
    file = folder / "plain.csv"
    file.write_text("question,answer\n1 + 1?,2\n2 + 2?,4\n")
    code, said, _ = grpoctl("data", "preview", str(file))
    assert code == 0 and f"{file} has no entry; guessed: prompt from question, answer from answer" in said


def test_a_recipe_is_previewed_with_its_own_prompts(grpoctl: Command) -> None:
    code, said, _ = grpoctl("data", "preview", "recipes/quickstart.yaml", "--rows", "1", "max_samples=50", "--json")
    shown = json.loads(said)
    assert (code, shown["count"], shown["rows"][0]["answer"]) == (0, 50, "147")


def test_several_data_sets_are_previewed_together_and_a_built_in_recipe_by_its_name(grpoctl: Command) -> None:
    code, said, _ = grpoctl("data", "preview", "tiny_arithmetic,my_math_data", "--rows", "0")
    assert code == 0 and said.startswith("tiny_arithmetic, my_math_data: 2200 rows of instruction, input, output")
    assert grpoctl("data", "preview", "quickstart", "--rows", "0")[1].startswith("tiny_arithmetic: 2000 rows")


def test_without_a_tokenizer_questions_and_answers_are_shown(grpoctl: Command, folder: Path) -> None:
    words = ("sums", f"dataset_dir={folder}", "model_name_or_path=Some/Model", f"cache_dir={folder}", "--rows", "1")
    code, said, wrong = grpoctl("data", "preview", *words)
    assert code == 0 and "row 1, gold answer 2\n  | 1 + 1?" in said
    assert "model_name_or_path: is Some/Model, which is not on this machine" in wrong


def test_an_entry_whose_file_is_gone_is_listed_as_missing(grpoctl: Command, folder: Path) -> None:
    (folder / "sums.jsonl").unlink()
    _, said, _ = grpoctl("data", "list", f"dataset_dir={folder}", f"cache_dir={folder}")
    assert f"{folder / 'sums.jsonl'} (missing)" in said


def test_bad_rows_and_repeated_questions_are_told(grpoctl: Command, folder: Path) -> None:
    with (folder / "sums.jsonl").open("a") as stream:
        stream.write('{"q": "1 + 1?", "a": "3"}\n{"q": "1 + 2?"}\n')
    words = ("data", "preview", "sums", f"dataset_dir={folder}")
    code, said, wrong = grpoctl(*words)
    assert (code, said) == (2, "") and "sums.jsonl:4: row 4 has no text or number in a, the gold answer" in wrong
    code, said, wrong = grpoctl(*words, "bad_rows=skip", "--json")
    assert code == 0 and wrong == ""
    problems = [warning["problem"] for warning in json.loads(said)["warnings"]]
    assert [problem[:30] for problem in problems] == [
        "leaves out 1 of 4 rows (bad_ro",
        "asks the same question again i",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["preview"], "takes a data set, a path or a recipe; give one, such as grpoctl data preview tiny_arithmetic."),
        (["preview", "a", "b"], "takes a data set, a path or a recipe"),
        (["preview", ""], "dataset.0: is empty"),
        (["preview", "sums", "--rows", "-1"], "--rows: is -1; use 0 or more."),
        (["list", "sums"], "takes no name, and got sums; see preview."),
        (["preview", "tiny_arithmetik"], "which no dataset_info.json has; did you mean tiny_arithmetic?"),
        (["preview", "no/such.json"], "names no/such.json, and no such file or folder is here"),
        (["preview", "far"], "names far, which is not on this machine but on the hub as some/where"),
        (["preview", "sums", "model_name_or_path=no/folder/here"], "no such folder is here"),
        (["preview", "sums", "datset_dir=x"], "datset_dir: is no key; did you mean dataset_dir?"),
        (["preview", "no_such_recipe.yaml"], "no_such_recipe.yaml: is not there"),
        (["show"], "invalid choice: 'show'"),
    ],
)
def test_wrong_words_are_one_clear_line(words: list[str], message: str, grpoctl: Command, folder: Path) -> None:
    where = [f"dataset_dir={folder}", f"cache_dir={folder}"] if len(words) > 1 else []
    code, said, wrong = grpoctl("data", *words, *where)
    assert (code, said) == (2, "") and message in wrong and "Traceback" not in wrong


@pytest.mark.skipif(not GSM8K.is_dir(), reason="the real GSM8K is not beside this checkout")
def test_the_real_gsm8k_is_found_in_a_folder_of_its_name(grpoctl: Command) -> None:
    for where in (GSM8K, GSM8K.parent):
        code, said, _ = grpoctl("data", "preview", "gsm8k", f"dataset_dir={where}", "--json", "--rows", "1")
        shown = json.loads(said)
        assert (code, shown["count"], shown["rows"][0]["answer"], shown["warnings"]) == (0, 7473, "72", [])


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], []),
        ([5], [(5, 5, 1)]),
        ([1, 12], [(1, 1, 1), *((n, n, 0) for n in range(2, 12)), (12, 12, 1)]),
        ([1, 13], [(0, 1, 1), *((n, n + 1, 0) for n in range(2, 12, 2)), (12, 13, 1)]),
        ([100, 150, 1099], [(100, 199, 2), *((low, low + 99, 0) for low in range(200, 1000, 100)), (1000, 1099, 1)]),
    ],
)
def test_a_histogram_has_few_ranges_of_round_width(lengths: list[int], expected: list[tuple[int, int, int]]) -> None:
    assert histogram(lengths) == expected
