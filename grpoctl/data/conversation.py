"""What do the turns of a conversation ask, and what is answered behind them?"""

from dataclasses import dataclass
from typing import Any

from grpoctl.data.cells import NotText, text_in
from grpoctl.data.entry import Tags
from grpoctl.errors import shown


@dataclass(frozen=True, slots=True)
class Conversation:
    """The last user turn, what came before it, and the model's turn behind it, if there is one."""

    question: str
    reply: str | None
    system: str | None
    history: tuple[tuple[str, str], ...]


def read_conversation(messages: Any, column: str, tags: Tags, needs_reply: bool) -> Conversation | tuple[str, str]:
    """The conversation, or problem and fix of one that is none.

    The reply is not looked at where the gold answer stands elsewhere: LLaMA-Factory wants one, so it may be empty.
    """
    if not isinstance(messages, list) or not messages:
        return f"has no list of turns in {column}", "write it as one, or name another column"
    system: str | None = None
    said: list[str] = []
    for number, turn in enumerate(messages, 1):
        role = _role(turn, tags, number)
        if isinstance(role, tuple):
            return role
        due = _due(role, number, len(said))
        if due is not None:
            return due
        text = text_in(turn, tags.content_tag)
        is_unused = role == "assistant" and number == len(messages) and not needs_reply
        if isinstance(text, NotText) or (not (text or "").strip() and role != "system" and not is_unused):
            return f"has no text in {tags.content_tag} of turn {number}", "give it one, or leave the row out"
        if role == "system":
            system = text or None
        else:
            said.append(text or "")
    if not said:
        return "has no user turn", "add the question"
    reply = said.pop() if len(said) % 2 == 0 else None
    if reply is None and needs_reply:
        return "ends on a user turn", 'name the column of the gold answer, as in "columns": {"answer": …}'
    history = tuple(zip(said[:-1:2], said[1::2], strict=True))
    return Conversation(said[-1], reply, system, history)


def _role(turn: Any, tags: Tags, number: int) -> str | tuple[str, str]:
    """user, assistant or system, or what is wrong with the turn."""
    role = turn.get(tags.role_tag) if isinstance(turn, dict) else None
    if not isinstance(role, str) or not role:
        return f"has no {tags.role_tag} in turn {number}", "say whose turn it is, or name another role_tag"
    if role == tags.user_tag:
        return "user"
    if role in (tags.observation_tag, tags.function_tag) or turn.get("tool_calls"):
        return f"uses a tool in turn {number}", "leave the row out: prompts have no tools"
    if role == tags.assistant_tag:
        return "assistant"
    if role == tags.system_tag:
        return "system"
    known = " and ".join(filter(None, (tags.user_tag, tags.assistant_tag)))
    return f"has the role {shown(role)} in turn {number}", f"use {known}, or name the roles in tags"


def _due(role: str, number: int, turns_before: int) -> tuple[str, str] | None:
    """What is wrong with the place of a turn, if anything is."""
    if role == "system":
        return None if number == 1 else (f"has a system turn as turn {number}", "put it first")
    due = "user" if turns_before % 2 == 0 else "assistant"
    if role == due:
        return None
    return f"has turn {number} from the {role}, where the {due}'s is due", "let them take turns, the user first"
