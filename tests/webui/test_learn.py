"""The tab Learn: what is typed is reckoned with, or it is said what is reckoned with instead."""

from typing import Any

import pytest

from webui.learn import group, memory
from webui.page import Page
from webui.words import Say


def page(**state: Any) -> Page:
    return Page(state, Say("en"))


@pytest.mark.parametrize(("typed", "taken"), [("1", 2), ("40", 16), ("", 2), ("7.5", 7), ("x", 2)])
def test_a_group_of_another_size_than_was_typed_is_told(typed: str, taken: int) -> None:
    answer = group.set_size(page(), {"value": typed})
    assert answer.said == f"A group has 2 to 16 answers here: {taken} it is."
    assert len(answer.state["learn_rewards"]) == taken


@pytest.mark.parametrize(("typed", "taken"), [("5000", "1000"), ("-1e9", "-1000"), ("much", "0"), ("", "0")])
def test_a_reward_that_is_not_what_was_typed_is_told(typed: str, taken: str) -> None:
    answer = group.set_reward(page(), {"key": "1", "value": typed})
    assert answer.said == f"A reward is a number from -1000 to 1000 here: {taken} it is."
    assert answer.state["learn_rewards"][1] == float(taken)


def test_what_is_taken_as_it_was_typed_needs_no_word() -> None:
    assert group.set_size(page(), {"value": "16"}).said == ""
    assert group.set_reward(page(), {"key": "0", "value": " 0.25 "}).said == ""
    assert group.set_reward(page(), {"key": "99", "value": "1"}).state == {}
    assert "is no whole number" not in memory.view(page(learn_group="16", learn_length="1024"))


def test_a_size_that_the_memory_is_not_reckoned_for_is_told() -> None:
    html = memory.view(page(learn_group="1000", learn_length="no"))
    assert "1000 is no whole number from 2 to 128: 128 is reckoned with." in html
    assert "no is no whole number from 16 to 32768: 512 is reckoned with." in html
