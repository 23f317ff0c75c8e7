"""What can an entry of dataset_info.json say?"""

from typing import Any, Literal

from pydantic import Field

from grpoctl.recipe.keys.base import Keys, Word, key


class Columns(Keys):
    """Which column of a row means what. Giving `columns` at all leaves out every column that it does not name."""

    prompt: Word | None = key(None)
    """The question."""
    query: Word | None = key(None)
    """More of the question, on a line of its own below it."""
    response: Word | None = key(None)
    """The answer; the gold answer where `answer` is not given."""
    history: Word | None = key(None)
    """Earlier turns, as [question, answer] pairs."""
    messages: Word | None = key(None)
    """The turns of a conversation, in sharegpt and openai rows."""
    system: Word | None = key(None)
    """The system turn."""
    answer: Word | None = key(None)
    """The gold answer that rewards compare with."""

    @property
    def gold(self) -> str | None:
        """The column of the gold answer; a conversation without one has it in its last turn."""
        return self.answer or self.response


class Tags(Keys):
    """How the turns of a conversation are written. Giving `tags` at all leaves out every one that it does not name."""

    role_tag: Word | None = key(None)
    """The key of who speaks."""
    content_tag: Word | None = key(None)
    """The key of what is said."""
    user_tag: Word | None = key(None)
    """The user's role."""
    assistant_tag: Word | None = key(None)
    """The model's role."""
    observation_tag: Word | None = key(None)
    """The role of a tool's result."""
    function_tag: Word | None = key(None)
    """The role of a call of a tool."""
    system_tag: Word | None = key(None)
    """The role of the system turn."""


COLUMNS = {
    "alpaca": Columns.model_construct(
        prompt="instruction", query="input", response="output", history="history", system="system"
    ),
    "sharegpt": Columns.model_construct(messages="conversations"),
    "openai": Columns.model_construct(messages="messages"),
}

TAGS = {
    "alpaca": Tags.model_construct(),
    "sharegpt": Tags.model_construct(
        role_tag="from",
        content_tag="value",
        user_tag="human",
        assistant_tag="gpt",
        observation_tag="observation",
        function_tag="function_call",
        system_tag="system",
    ),
    "openai": Tags.model_construct(
        role_tag="role",
        content_tag="content",
        user_tag="user",
        assistant_tag="assistant",
        observation_tag="tool",
        function_tag="function",
        system_tag="system",
    ),
}


def _columns(values: dict[str, Any]) -> Columns:
    return COLUMNS[values.get("formatting", "alpaca")]


def _tags(values: dict[str, Any]) -> Tags:
    return TAGS[values.get("formatting", "alpaca")]


class DatasetEntry(Keys):
    """One data set of dataset_info.json."""

    file_name: Word | None = key(None)
    """A file, or a folder of files, below the folder of dataset_info.json."""
    hf_hub_url: Word | None = key(None)
    """A data set of the Hugging Face hub."""
    ms_hub_url: Word | None = key(None)
    """LLaMA-Factory's ModelScope name; not used here."""
    om_hub_url: Word | None = key(None)
    """LLaMA-Factory's Modelers name; not used here."""
    subset: Word | None = key(None)
    """Name of a part of a hub data set."""
    split: Word = key("train")
    """Split of a hub data set or of a folder."""
    folder: Word | None = key(None)
    """Folder of a hub data set."""
    num_samples: int | None = key(None, ge=1)
    """Rows to use at most."""
    formatting: Literal["alpaca", "sharegpt", "openai"] = key("alpaca")
    """How a row is laid out."""
    columns: Columns = Field(default_factory=_columns)
    """Which column means what."""
    tags: Tags = Field(default_factory=_tags)
    """How the turns of a conversation are written."""

    @property
    def is_conversation(self) -> bool:
        return self.formatting != "alpaca"
