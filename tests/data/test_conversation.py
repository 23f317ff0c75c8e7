import json
from pathlib import Path
from typing import Any

import pytest

from grpoctl.data.entry import Columns, DatasetEntry, Tags
from grpoctl.data.rows import Row, Rows, read_rows


def read(tmp_path: Path, *conversations: Any, **entry: Any) -> Rows:
    column = entry.pop("column", "conversations")
    rows = [each if isinstance(each, dict) else {column: each} for each in conversations]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return read_rows(DatasetEntry(file_name="d.jsonl", **{"formatting": "sharegpt", **entry}), tmp_path)


def turns(*said: str, names: tuple[str, str] = ("human", "gpt")) -> list[dict[str, str]]:
    return [{"from": names[number % 2], "value": text} for number, text in enumerate(said)]


ASKED = {"conversations": turns("6 * 12?", "It is\n#### 72")}


def test_the_prompt_is_the_last_user_turn_and_the_gold_answer_stands_behind_it(tmp_path: Path) -> None:
    (row,) = read(tmp_path, ASKED).rows
    assert row == Row("6 * 12?", "72", columns=ASKED)


def test_earlier_turns_and_the_system_turn_come_along(tmp_path: Path) -> None:
    system = {"from": "system", "value": "You count."}
    (row,) = read(tmp_path, [system, *turns("1?", "one", "2?", "two", "3?", "three")]).rows
    assert (row.question, row.answer, row.system) == ("3?", "three", "You count.")
    assert row.history == (("1?", "one"), ("2?", "two"))


def test_openai_rows_have_their_own_words(tmp_path: Path) -> None:
    said = [{"role": "system", "content": ""}, {"role": "user", "content": "1?"}, {"role": "assistant", "content": "1"}]
    (row,) = read(tmp_path, said, formatting="openai", column="messages").rows
    assert (row.question, row.answer, row.system) == ("1?", "1", None)


def test_a_system_column_holds_where_no_turn_says_otherwise(tmp_path: Path) -> None:
    # as in LLaMA-Factory, whose converter looks at the first turn before the column
    plain = {**ASKED, "sys": "From the column."}
    turn = {"conversations": [{"from": "system", "value": "From the turn."}, *turns("a?", "b")], "sys": "Not this."}
    rows = read(tmp_path, plain, turn, columns=Columns(messages="conversations", system="sys")).rows
    assert [row.system for row in rows] == ["From the column.", "From the turn."]


@pytest.mark.parametrize("columns", [{"answer": "gold"}, {"response": "gold"}])
def test_an_answer_column_wins_over_the_last_turn_which_may_be_empty(tmp_path: Path, columns: dict[str, str]) -> None:
    # LLaMA-Factory takes even numbers of turns alone, so data for RL often ends on an empty one
    said = [{"conversations": turns(*texts), "gold": 4} for texts in (("2+2?",), ("2+2?", ""), ("2+2?", "5"))]
    rows = read(tmp_path, *said, columns=Columns(messages="conversations", **columns)).rows
    assert [(row.question, row.answer) for row in rows] == [("2+2?", "4")] * 3


def test_tags_name_other_words(tmp_path: Path) -> None:
    tags = Tags(role_tag="who", content_tag="text", user_tag="U", assistant_tag="A")
    said = [{"who": "U", "text": "1?"}, {"who": "A", "text": "one"}]
    with_system = [{"who": "system", "text": "s"}, *said]
    found = read(tmp_path, said, with_system, tags=tags)
    assert [row.answer for row in found.rows] == ["one"]
    # tags that are given leave out every one that is not listed, so nobody is called system
    assert "row 2 has the role system in turn 1; use U and A, or name the roles in tags." in str(found.findings[0])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([], "has no list of turns in conversations; write it as one, or name another column."),
        (None, "has no list of turns in conversations; write it as one, or name another column."),
        ("text", "has no list of turns in conversations; write it as one, or name another column."),
        ({"from": "human"}, "has no list of turns in conversations; write it as one, or name another column."),
        (["text"], "has no from in turn 1; say whose turn it is, or name another role_tag."),
        ([{"role": "user", "content": "1?"}], "has no from in turn 1; say whose turn it is, or name another role_tag."),
        ([{"from": ["human"]}], "has no from in turn 1; say whose turn it is, or name another role_tag."),
        (turns("1?", "2", names=("human", "robot")),
         "has the role robot in turn 2; use human and gpt, or name the roles in tags."),
        (turns("1?", "2", names=("human", "human")),
         "has turn 2 from the user, where the assistant's is due; let them take turns, the user first."),
        (turns("hello", names=("gpt", "gpt")),
         "has turn 1 from the assistant, where the user's is due; let them take turns, the user first."),
        ([*turns("1?", "2"), {"from": "system", "value": "s"}], "has a system turn as turn 3; put it first."),
        ([{"from": "system", "value": "s"}], "has no user turn; add the question."),
        (turns("1?", "2", "3?"),
         'ends on a user turn; name the column of the gold answer, as in "columns": {"answer": …}.'),
        (turns(" ", "2"), "has no text in value of turn 1; give it one, or leave the row out."),
        (turns("1?", ""), "has no text in value of turn 2; give it one, or leave the row out."),
        ([{"from": "human", "value": ["1?"]}], "has no text in value of turn 1; give it one, or leave the row out."),
        ([{"from": "human", "value": "\ud800"}], "has no text in value of turn 1; give it one, or leave the row out."),
        (turns("1?", "so\n####"), "has no answer behind #### in its last turn; give it one."),
        (turns("1?", "{}", names=("human", "function_call")),
         "uses a tool in turn 2; leave the row out: prompts have no tools."),
        ([*turns("1?"), {"from": "gpt", "value": "", "tool_calls": [{"function": {}}]}],
         "uses a tool in turn 2; leave the row out: prompts have no tools."),
        (turns("{}", "2", names=("observation", "gpt")),
         "uses a tool in turn 1; leave the row out: prompts have no tools."),
    ],
)  # fmt: skip
def test_a_conversation_that_cannot_be_asked_is_named_with_its_turn(tmp_path: Path, said: object, message: str) -> None:
    found = read(tmp_path, ASKED, {"conversations": said})
    (finding,) = found.findings
    assert str(finding) == f"{tmp_path}/d.jsonl:2: row 2 {message}"
    assert (found.bad, len(found.rows)) == (1, 1)


def test_an_answer_column_that_is_empty_is_a_bad_row(tmp_path: Path) -> None:
    found = read(tmp_path, {**ASKED, "gold": None}, columns=Columns(messages="conversations", answer="gold"))
    assert [finding.problem for finding in found.findings] == ["row 1 has no text or number in gold, the gold answer"]
