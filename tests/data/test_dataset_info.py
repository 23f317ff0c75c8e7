import json
from pathlib import Path

import pytest

from grpoctl.data.dataset_info import FoundEntry, files_of, find_entry
from grpoctl.data.entry import DatasetEntry
from grpoctl.data.rows import read_rows
from grpoctl.errors import Finding


@pytest.fixture(autouse=True)
def an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))


def said(tmp_path: Path, entry: object, name: str = "mine") -> list[str]:
    (tmp_path / "dataset_info.json").write_text(json.dumps({"mine": entry}, indent=1))
    found = find_entry(name, tmp_path)
    assert isinstance(found, list), found
    return [str(finding).replace(f"{tmp_path}/", "") for finding in found]


def test_a_users_entry_is_found_with_its_folder_and_lines(tmp_path: Path) -> None:
    text = '{\n"mine": {"file_name": "a.json",\n"columns": {"prompt": "q", "answer": "a"}}}'
    (tmp_path / "dataset_info.json").write_text(text)
    found = find_entry("mine", tmp_path)
    assert isinstance(found, FoundEntry)
    assert found.folder == tmp_path
    assert (found.entry.columns.prompt, found.entry.columns.answer) == ("q", "a")
    assert found.entry.columns.response is None  # giving columns leaves out every one that is not listed
    assert found.at(("columns", "prompt")) == (str(tmp_path / "dataset_info.json"), 3)


def test_a_name_that_the_user_lacks_comes_from_grpoctls_own_data(tmp_path: Path) -> None:
    found = find_entry("my_math_data", tmp_path)
    assert isinstance(found, FoundEntry)
    assert found.entry.columns.prompt == "instruction"


def test_an_unknown_name_suggests_the_nearest(tmp_path: Path) -> None:
    found = find_entry("my_mat_data", tmp_path)
    assert isinstance(found, list)
    assert str(found[0]) == "dataset: names my_mat_data, which no dataset_info.json has; did you mean my_math_data?"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        # json.dumps gives line 2 to the name and line 3 to its first key
        # LLaMA-Factory reads this as alpaca without a word
        ({"file_name": "a", "format": "sharegpt"}, "4: format: is no key; did you mean formatting?"),
        ({"file_name": "a", "columns": {"promt": "q"}}, "5: columns.promt: is no key; did you mean prompt?"),
        ({"file_name": "a", "ranking": True},
         "4: ranking: holds preference pairs; use a data set of questions with answers."),
        ({"file_name": "a", "columns": {"prompt": "q", "tools": "t"}},
         "6: columns.tools: is not taken here; prompts have no tools."),
        ({"file_name": "a", "formatting": "sharegtp"},
         "4: formatting: is sharegtp; did you mean sharegpt? The choices: alpaca, sharegpt, openai."),
        # without sharegpt LLaMA-Factory takes no notice of tags
        ({"file_name": "a", "tags": {"role_tag": "role"}},
         '4: tags: belongs to conversations; add "formatting": "sharegpt", or take it out.'),
        ({"file_name": "a", "columns": {"messages": "m"}},
         '5: columns.messages: belongs to conversations; add "formatting": "sharegpt" or "openai".'),
        ({"file_name": "a", "formatting": "openai", "columns": {"system": "s"}},
         '5: columns: leaves out the conversation; add "messages": "messages", or whatever the column is called.'),
        ({"file_name": "a", "formatting": "sharegpt", "columns": {"messages": "m", "prompt": "q"}},
         '7: columns.prompt: belongs to alpaca rows; take it out, or take "formatting": "sharegpt" out.'),
        ({"file_name": "a", "formatting": "sharegpt", "columns": {"messages": "m", "images": "i"}},
         "7: columns.images: is not taken here; grpoctl trains on text alone."),
        ({"file_name": "a", "formatting": "sharegpt", "tags": {"user": "human"}},
         "6: tags.user: is no key; the keys here: role_tag, content_tag, user_tag, assistant_tag, observation_tag, "
         "function_tag, system_tag."),
        ({"file_name": "a", "columns": None}, "4: columns: is empty; name what it stands for, or take it out."),
        ({"file_name": "a", "split": "train[:100]"},
         '4: split: is the text "train[:100]"; name one split; num_samples and max_samples bound its rows.'),
        ({"hf_hub_url": "https://huggingface.co/datasets/openai/gsm8k"},
         '3: hf_hub_url: is the text "https://huggingface.co/datasets/openai/gsm8k"; write openai/gsm8k, the name '
         "alone."),
        ({"hf_hub_url": "a/b", "subset": "../../c"},
         '4: subset: is the text "../../c"; write a name; a folder of the data set goes into folder.'),
        ({"file_name": "a", "columns": {"answer": "final"}},
         '4: columns: leaves out the question; add "prompt": "instruction", or whatever the column is called.'),
        ({"file_name": "a", "columns": {"prompt": "q"}},
         '4: columns: leaves out the gold answer; add "answer": and the name of its column.'),
        ({"script_url": "x"}, "3: script_url: runs code from the network; use file_name or hf_hub_url."),
        ({"subset": "main"}, "2: mine: names no file_name and no hf_hub_url; add one."),
        ({"file_name": 3}, '3: file_name: is 3; write "3" in quotes.'),
        ({"file_name": "a", "num_samples": 0}, "4: num_samples: is 0; use 1 or more."),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_refused_with_its_line(tmp_path: Path, entry: object, message: str) -> None:
    (finding,) = said(tmp_path, entry)
    assert finding == f"dataset_info.json:{message}"


def test_an_entry_that_is_no_mapping_and_a_file_that_is_no_mapping_are_refused(tmp_path: Path) -> None:
    assert said(tmp_path, "a.json") == ['dataset_info.json:2: mine: is no mapping; write "mine": {"file_name": …}.']
    (tmp_path / "dataset_info.json").write_text("[1, 2]")
    found = find_entry("mine", tmp_path)
    assert isinstance(found, list)
    assert "holds no data sets" in str(found[0])


def test_llama_factorys_other_hubs_are_let_pass() -> None:
    entry = DatasetEntry(hf_hub_url="a/b", ms_hub_url="c/d", om_hub_url="e/f")
    assert entry.formatting == "alpaca"


def test_what_llama_factory_could_not_read_is_refused_here_too(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text("{'mine': {'file_name': 'a.json'}}")
    found = find_entry("mine", tmp_path)
    assert isinstance(found, list)
    assert "dataset_info.json:1: is not JSON (Expecting property name" in str(found[0])


def test_a_data_set_or_key_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text('{"mine": {"file_name": "a"},\n"mine": {"file_name": "b"}}')
    found = find_entry("mine", tmp_path)
    assert isinstance(found, list)
    assert [(finding.line, finding.problem) for finding in found] == [(2, "is given twice, first on line 1")]


def test_an_emoji_as_json_writes_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "🎲.json"}}))
    found = find_entry("mine", tmp_path)
    assert isinstance(found, FoundEntry)
    assert found.entry.file_name == "🎲.json"


def test_tags_that_are_given_leave_out_every_one_that_is_not(tmp_path: Path) -> None:
    # LLaMA-Factory then skips every row with "Invalid role tag"
    found = said(tmp_path, {"file_name": "a", "formatting": "sharegpt", "tags": {"role_tag": "role"}})
    assert found == [
        f'dataset_info.json:5: tags: leaves out {name}; add "{name}": "{usual}", or whatever the rows have.'
        for name, usual in (("content_tag", "value"), ("user_tag", "human"), ("assistant_tag", "gpt"))
    ]


def test_a_conversation_with_an_answer_column_needs_no_assistant(tmp_path: Path) -> None:
    entry = {
        "file_name": "a",
        "formatting": "openai",
        "columns": {"messages": "m", "answer": "gold"},
        "tags": {"role_tag": "r", "content_tag": "c", "user_tag": "u"},
    }
    (tmp_path / "dataset_info.json").write_text(json.dumps({"mine": entry}))
    found = find_entry("mine", tmp_path)
    assert isinstance(found, FoundEntry)
    assert (found.entry.tags.user_tag, found.entry.tags.assistant_tag) == ("u", None)


@pytest.mark.parametrize(
    ("formatting", "messages", "tags"),
    [
        ("sharegpt", "conversations", ["from", "value", "human", "gpt", "observation", "function_call", "system"]),
        ("openai", "messages", ["role", "content", "user", "assistant", "tool", "function", "system"]),
    ],
)
def test_each_format_has_llama_factorys_defaults(formatting: str, messages: str, tags: list[str]) -> None:
    entry = DatasetEntry(file_name="a", formatting=formatting)  # type: ignore[arg-type]
    assert entry.columns.messages == messages
    assert entry.columns.prompt is None
    assert list(entry.tags.model_dump().values()) == tags
    assert "columns" not in entry.model_fields_set


def test_an_entry_comes_before_a_file_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text('{"question": "a", "answer": "1"}')
    (tmp_path / "dataset_info.json").write_text('{"mine": {"file_name": "other.json"}}')
    found = find_entry("mine", tmp_path)
    assert isinstance(found, FoundEntry)
    assert (found.entry.file_name, found.guessed) == ("other.json", {})


def test_a_path_needs_no_entry_and_says_what_was_guessed(tmp_path: Path) -> None:
    (tmp_path / "my.jsonl").write_text('{"question": "a", "answer": "#### 1"}')
    found = find_entry("my.jsonl", tmp_path)
    assert isinstance(found, FoundEntry)
    assert found.guessed == {"prompt": "question", "answer": "answer"}
    assert read_rows(found.entry, found.folder).rows[0].answer == "1"
    assert found.at(("columns", "prompt")) == (str(tmp_path / "my.jsonl"), None)


def test_a_path_is_read_past_a_broken_dataset_info(tmp_path: Path) -> None:
    (tmp_path / "my.jsonl").write_text('{"question": "a", "answer": "1"}')
    (tmp_path / "dataset_info.json").write_text("{")
    assert isinstance(find_entry("my.jsonl", tmp_path), FoundEntry)
    assert isinstance(find_entry("mine", tmp_path), list)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data/trian.jsonl", "did you mean data/train.jsonl?"),
        ("data/train.json", "did you mean data/train.jsonl?"),
        ("openai/gsm8k", "did you mean gsm8k?"),
        ("data/other.jsonl", "check the path; it starts where you are, or below dataset_dir."),
        (
            "some/set",
            'check the path; it starts where you are, or below dataset_dir, or add "set": {"hf_hub_url": "some/set"} '
            "with its columns to data/dataset_info.json.",
        ),
        ("a\0b/c", "check the path; it starts where you are, or below dataset_dir."),
    ],
)
def test_a_path_that_is_not_there_suggests_what_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text("")
    found = find_entry(name, Path("data"))
    assert isinstance(found, list)
    (finding,) = found
    assert finding.problem == f"names {name}, and no such file or folder is here"
    assert str(finding).endswith(f"; {message}")


def test_a_split_of_a_single_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my.jsonl").write_text("")
    found = find_entry("my.jsonl:test", tmp_path)
    assert isinstance(found, list)
    assert str(found[0]) == f"{tmp_path}/my.jsonl: is one file, which has no splits; take :test away."


def test_an_entry_of_the_hub_is_read_from_the_copy_beside_it(tmp_path: Path) -> None:
    assert unread(find_entry("gsm8k", tmp_path))
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "train.jsonl").write_text('{"question": "a", "answer": "so\\n#### 72"}')
    found = find_entry("gsm8k", tmp_path)
    assert isinstance(found, FoundEntry)
    assert [row.answer for row in read_rows(found.entry, found.folder).rows] == ["72"]
    assert unread(find_entry("gsm8k_test", tmp_path))  # which wants the split test
    assert files_of(["gsm8k", "gsm8k_test", "nothing"], tmp_path) == [tmp_path / "gsm8k" / "train.jsonl"]


def unread(found: FoundEntry | list[Finding]) -> bool:
    return isinstance(found, FoundEntry) and found.entry.file_name is None


def test_files_of_a_folder_are_files(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("b.jsonl", "a.jsonl", "README.md"):
        (tmp_path / "d" / name).write_text('{"question": "a", "answer": "1"}')
    assert files_of(["d"], tmp_path) == [tmp_path / "d" / "a.jsonl", tmp_path / "d" / "b.jsonl"]
