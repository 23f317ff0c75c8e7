"""At which tokens does an answer end, and does the chat template end it with one of them?"""

from grpoctl.data.chat import ChatTokenizer
from grpoctl.errors import ModelError

_MARK = "one two three"


def end_of_turn(tokenizer: ChatTokenizer) -> str | None:
    """The token that the chat template writes behind an answer, or None where it writes none there."""
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": _MARK}]
    try:
        text = tokenizer.render(turns, ask=False)
    except ModelError:  # a template that takes no such conversation says nothing of its end
        return None
    behind = text.rpartition(_MARK)[2].lstrip()
    return next((token for token in tokenizer.special_tokens() if behind.startswith(token)), None)


def stops(tokenizer: ChatTokenizer) -> list[str]:
    """The tokens at which the tokenizer and the model's own settings say that an answer ends."""
    return list(dict.fromkeys(token for token in (tokenizer.end_token, *tokenizer.declared_ends()) if token))
