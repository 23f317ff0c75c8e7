"""`grpoctl reward`: what there is to choose from, and what given completions earn."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from grpoctl.rewards.registry import all_rewards

Command = Callable[..., tuple[int, str, str]]

# The TPU document's two examples, which are to earn +2.0 and +6.0 by the two functions it adds.
BEFORE = "<reasoning>讓我想想...</reasoning>\n<answer>我不確定，可能是 10 頁？</answer>"
AFTER = "<reasoning>\n- 每封信 3 頁\n- 每週兩次，所以 6 × 2 = 12 頁/週\n</reasoning>\n<answer>12</answer>"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [{"prompt": "James …", "completion": text, "answer": "12"} for text in (BEFORE, AFTER)]
    path = tmp_path / "completions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_list_has_every_reward_with_what_it_reads_and_takes(grpoctl: Command) -> None:
    code, said, _ = grpoctl("reward", "list")
    assert code == 0
    for name, reward in all_rewards().items():
        assert f"{name}\n    {reward.summary}\n" in said
    code, said, _ = grpoctl("reward", "list", "--json")
    listed = {reward["name"]: reward for reward in json.loads(said)["rewards"]}
    assert listed.keys() == all_rewards().keys()
    assert listed["check_answer"] == {
        "name": "check_answer", "maximum": 3.0, "columns": ["answer"], "arguments": {"answer_tag": "the recipe's"},
        "gives": "3 for the right answer in its tag, 0.5 within 10% of it, 0.25 within 20%, else -1.",
    }  # fmt: skip
    assert listed["length"]["arguments"] == {"max_tokens": "required", "min_tokens": "0"}


def test_the_documents_examples_earn_2_and_6(grpoctl: Command, file: Path) -> None:
    named = ("--reward", "match_format_exactly", "--reward", "check_answer")
    code, said, _ = grpoctl("reward", "test", *named, "--file", str(file), "--json")
    assert (code, json.loads(said)) == (
        0,
        {
            "scores": [
                {"match_format_exactly": 3.0, "check_answer": -1.0},
                {"match_format_exactly": 3.0, "check_answer": 3.0},
            ],
            "totals": [2.0, 6.0],
            "failures": {},
            "first_failures": {},
        },
    )
    code, said, _ = grpoctl("reward", "test", *named, "--file", str(file))
    assert [line.split()[:4] for line in said.splitlines()[1:3]] == [["1", "3", "-1", "2"], ["2", "3", "3", "6"]]
    assert "check_answer: mean 1 of 2" in said


def test_one_word_may_name_several_rewards_as_in_a_recipe(grpoctl: Command, file: Path) -> None:
    code, said, _ = grpoctl("reward", "test", "--reward", "accuracy, format", "--file", str(file), "--json")
    assert (code, json.loads(said)["scores"][1]) == (0, {"accuracy": 1.0, "format": 0.0})


def test_a_column_that_only_trl_has_is_told_with_what_to_read_instead(
    grpoctl: Command, tmp_path: Path, file: Path
) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "def f(prompts, completions, completion_ids, answer, **kwargs):\n    return [1.0] * len(completions)\n"
    )
    code, _, wrong = grpoctl("reward", "test", "--reward", f"{own}:f", "--file", str(file))
    assert code == 2 and "lacks completion_ids, which f reads; take completion_tokens (how many each" in wrong


def test_a_recipe_brings_its_rewards_weights_and_tags(grpoctl: Command, file: Path) -> None:
    changes = ("reasoning_tag=reasoning", "reward_funcs=[{use: accuracy, weight: 2.0}, format]")
    code, said, _ = grpoctl("reward", "test", "quickstart", *changes, "--file", str(file), "--json")
    assert (code, json.loads(said)["totals"]) == (0, [1.0, 3.0])


def test_a_recipes_tokenizer_counts_what_a_reward_of_length_reads(grpoctl: Command, tmp_path: Path) -> None:
    file = tmp_path / "two.jsonl"
    file.write_text('{"completion": "12"}\n{"completion": "111111111111111111111111111111111111111111"}\n')
    words = ("quickstart", "reward_funcs=soft_overlong_penalty")
    code, said, _ = grpoctl("reward", "test", *words, "--file", str(file), "--json")
    # 2 tokens are far below the quickstart's 40, and 42, as each digit is one, are above them.
    assert [row["soft_overlong_penalty"] for row in json.loads(said)["scores"]] == [0.0, -1.0]
    code, _, said = grpoctl("reward", "test", "--reward", "{use: length, max_tokens: 9}", "--file", str(file))
    assert code == 2 and "lacks completion_tokens, which length reads; add it to each line, or give a recipe" in said
    file.write_text('{"completion": "12", "completion_tokens": 9}\n')
    code, said, _ = grpoctl("reward", "test", "--reward", "{use: length, max_tokens: 9}", "--file", str(file), "--json")
    assert json.loads(said)["scores"] == [{"length": 1.0}]


def test_a_reward_of_ones_own_is_tried_and_its_failures_are_told(grpoctl: Command, tmp_path: Path, file: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text("def f(completion, answer):\n    return {True: 1.0}[answer in completion]\n")
    code, said, wrong = grpoctl("reward", "test", "--reward", f"{own}:f", "--file", str(file), "--json")
    assert code == 1
    assert json.loads(said) == {
        "scores": [{"f": None}, {"f": 1.0}],
        "totals": [None, 1.0],
        "failures": {"f": 1},
        "first_failures": {"f": "KeyError: False"},
    }
    assert wrong == "reward f: fails on 1 of 2 completions (KeyError: False)\n"
    _, _, wrong = grpoctl("reward", "test", "--reward", f"{own}:f", "--file", str(file), "--debug")
    assert "Traceback" in wrong and "own.py" in wrong


def test_a_runs_own_completions_are_such_a_file_and_long_ones_are_scored_in_parts(
    grpoctl: Command, tmp_path: Path
) -> None:
    kept = {"step": 1, "prompt": "p", "answer": "7", "rewards": {"accuracy": 0.0}, "reward": None, "advantage": 0.0}
    rows = [{**kept, "completion": f"<answer>{n}</answer>"} for n in range(600)]
    file = tmp_path / "step-000001.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, said, _ = grpoctl("reward", "test", "--reward", "accuracy", "--file", str(file), "--json")
    scores = [row["accuracy"] for row in json.loads(said)["scores"]]
    assert code == 0 and len(scores) == 600
    assert [number for number, score in enumerate(scores) if score] == [7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no completions; write one a line."),
        ("[]", "holds no completions; write one a line."),
        ('{"completion": 3}', "completions.jsonl:1: has no text in completion; give it one."),
        ('{"completion": "x"}\n3', "completions.jsonl:2: is no JSON object; write"),
        ('{"completion": "x", "answer": []}', "completions.jsonl:1: has no text or number in answer;"),
        ('{"completion": "x", "prompt": 1}', "completions.jsonl:1: has no text in prompt;"),
        ('{"completion": "x"}', "completions.jsonl: lacks answer, which accuracy reads; add it to each line."),
        ("{", "completions.jsonl:1: is no JSON object; write"),
        (
            '{"completion": "x", "answer": "1"}\n\n{"completion": "x"}',
            "completions.jsonl:3: has no answer, as other lines have; write one, or leave it out of every line.",
        ),
    ],
)
def test_a_file_that_cannot_be_scored_says_where(text: str, message: str, grpoctl: Command, file: Path) -> None:
    file.write_text(text)
    code, said, wrong = grpoctl("reward", "test", "--reward", "accuracy", "--file", str(file))
    assert (code, said) == (2, "") and message in wrong and wrong.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["test"], "wants completions; add --file completions.jsonl"),
        (["test", "--file", "x"], "takes either a recipe or rewards by name; give a recipe, or --reward NAME"),
        (["test", "quickstart", "--reward", "format", "--file", "x"], "takes either a recipe or rewards by name"),
        (
            ["test", "--reward", "fromat", "--file", "x"],
            "--reward: names fromat, which is no reward; did you mean format?",
        ),
        (["test", "--reward", "length", "--file", "x"], "--reward: uses length without max_tokens; add max_tokens: …"),
        (["test", "--reward", "format", "--file", "no-such-file"], "no-such-file: is not there; check the path."),
        (["test", "--reward", "format", "--file", "."], ".: is a folder; name a file in it."),
        (
            ["test", "--reward", "{use: accuracy, answer_tag: 3}", "--file", "x"],
            "--reward: accuracy.answer_tag: is 3; give text.",
        ),
        (
            ["test", "--reward", "{use: accuracy, answr: x}", "--file", "x"],
            "--reward: accuracy.answr: is no argument of accuracy; accuracy takes answer_tag.",
        ),
        (["list", "foo"], "grpoctl reward list: takes no words, rewards or files; leave out foo, or try it"),
        (["list", "--reward", "format"], "leave out format, or try it: grpoctl reward test."),
        (["test", "no_such_recipe", "--file", "x"], "no_such_recipe: is not there"),
        (["lst"], "invalid choice: 'lst'"),
    ],
)
def test_wrong_words_are_one_clear_line(words: list[str], message: str, grpoctl: Command) -> None:
    code, said, wrong = grpoctl("reward", *words)
    assert (code, said) == (2, "") and message in wrong
