"""How is one key of a recipe's text changed, with every other letter left alone?

Recipes are flat, so a change is a cut at the places that YAML's own nodes name: comments, blank lines and the order of
the keys stay as the user wrote them.
"""

import json
import re
from collections.abc import Sequence

import yaml

from grpoctl.errors import Finding, InputError
from grpoctl.recipe.schema import SECTIONS
from grpoctl.recipe.yaml_text import scalar

_KEYS = [name for section in SECTIONS for name in section.model_fields]
_ORDER = {name: place for place, name in enumerate(_KEYS)}
# Text that is the same text to YAML without quotes.
_PLAIN = re.compile(r"[A-Za-z0-9_./~@+][A-Za-z0-9_./~@+ -]*(:[A-Za-z0-9_./~@+-]+)*")

Pairs = list[tuple[yaml.ScalarNode, yaml.Node]]


def set_key(text: str, key: str, value: str | None) -> str:
    """The text with this key's value, which is YAML on one line; None takes the key out."""
    pairs = _pairs(text)
    for name, node in pairs:
        if name.value == key:
            return _without(text, name, node) if value is None else _with(text, name, node, value)
    return text if value is None else _insert(text, pairs, key, value)


def clear_key(text: str, key: str) -> str:
    """The text without this key's value. A comment behind it stays, and is there again when the key gets another."""
    for name, node in _pairs(text):
        if name.value == key:
            start, end = text.rfind("\n", 0, name.start_mark.index) + 1, _line_end(text, _end(text, node))
            behind = text[_end(text, node) : end]
            if behind.lstrip().startswith("#") and text.count("\n", start, end) <= 1:
                column = len(text[start:end]) - len(behind.lstrip(" "))
                return f"{text[:start]}{f'# {key}:'.ljust(column - 1)} {behind.lstrip(' ')}{text[end:]}"
    return set_key(text, key, None)


def add_item(text: str, key: str, item: str) -> str:
    """The text with one more item in this key's list."""
    for name, node in _pairs(text):
        if name.value == key and isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
            at = _line_end(text, _end(text, node.value[-1]))
            line = f"{' ' * node.start_mark.column}- {item}\n"
            return f"{text[:at]}{line}{text[at:]}" if text[:at].endswith("\n") else f"{text}\n{line}"
    items = [*items_of(text, key), item]
    return set_key(text, key, in_list(items))


def remove_item(text: str, key: str, place: int) -> str:
    """The text without one item of this key's list."""
    for name, node in _pairs(text):
        if name.value == key and isinstance(node, yaml.SequenceNode) and not node.flow_style and len(node.value) > 1:
            item = node.value[place]
            start = text.rfind("\n", 0, item.start_mark.index) + 1
            return text[:start] + text[_line_end(text, _end(text, item)) :]
    left = [item for at, item in enumerate(items_of(text, key)) if at != place]
    return set_key(text, key, in_list(left) if left else None)


def items_of(text: str, key: str) -> list[str]:
    """The items of a list as they are written; `a, b` in one text is two."""
    for name, node in _pairs(text):
        if name.value == key:
            if isinstance(node, yaml.SequenceNode):
                return [_on_one_line(text, item) for item in node.value]
            if isinstance(node, yaml.ScalarNode):
                return [part.strip() for part in node.value.split(",") if part.strip()]
    return []


def as_text(value: str) -> str:
    """A text as YAML reads it back."""
    return value if _PLAIN.fullmatch(value) and scalar(value) == value else json.dumps(value, ensure_ascii=False)


def in_list(items: Sequence[str]) -> str:
    return f"[{', '.join(items)}]" if len(items) != 1 or items[0].startswith(("{", "[")) else items[0]


def _on_one_line(text: str, node: yaml.Node) -> str:
    """An item in flow style: a block mapping's lines become one."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        inner = ", ".join(f"{_on_one_line(text, name)}: {_on_one_line(text, value)}" for name, value in node.value)
        return f"{{{inner}}}"
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return f"[{', '.join(_on_one_line(text, item) for item in node.value)}]"
    return " ".join(text[node.start_mark.index : _end(text, node)].split())


def _pairs(text: str) -> Pairs:
    try:
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(Finding("cannot be read", "mend the YAML first", file="YAML")) from None
    if top is None:
        return []
    if not isinstance(top, yaml.MappingNode) or top.flow_style:
        raise InputError(Finding("is no list of key: value lines", "mend the YAML first", file="YAML"))
    return [(name, node) for name, node in top.value if isinstance(name, yaml.ScalarNode)]


def _end(text: str, node: yaml.Node) -> int:
    """Where a value's last letter is: a block's end mark lies behind the comments and blank lines that follow it."""
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    return start + len(text[start:end].rstrip())


def _line_end(text: str, place: int) -> int:
    """Behind the line's end."""
    end = text.find("\n", place)
    return len(text) if end < 0 else end + 1


def _without(text: str, name: yaml.Node, node: yaml.Node) -> str:
    start = text.rfind("\n", 0, name.start_mark.index) + 1
    return text[:start] + text[_line_end(text, max(_end(text, node), name.end_mark.index)) :]


def _with(text: str, name: yaml.Node, node: yaml.Node, value: str) -> str:
    """The value exchanged; a comment behind it stays in its column where there is room."""
    head, start, end = text[: name.end_mark.index], node.start_mark.index, _end(text, node)
    between = text[name.end_mark.index : max(start, name.end_mark.index + 1)]
    is_block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    if "\n" in between or is_block:  # a list below its key, or a text below its `|`
        head_line = text[start:end] if is_block else between
        comment = head_line.partition("\n")[0].partition("#")[2]
        return f"{head}: {value}{f'  #{comment}' if comment else ''}{text[end:]}"
    end = max(end, name.end_mark.index + 1)
    colon = between.partition(":")[0] + ":"
    line, newline, rest = text[end:].partition("\n")
    room = len(line) - len(line.lstrip(" "))
    if line.lstrip(" ").startswith("#"):
        column = len(text[:end]) - text.rfind("\n", 0, end) + room
        now = len(head) - head.rfind("\n") + len(colon) + 1 + len(value)
        line = " " * max(2, column - now) + line.lstrip(" ")
    return f"{head}{colon} {value}{line}{newline}{rest}"


def _insert(text: str, pairs: Pairs, key: str, value: str) -> str:
    """Put a new line behind the keys that the documentation has before this one, or where it was cleared."""
    cleared = re.search(rf"^# {re.escape(key)}: +(#.*)$", text, re.MULTILINE)
    if cleared:
        column = cleared.start(1) - cleared.start()
        line = f"{f'{key}: {value}'.ljust(column - 2)}  {cleared[1]}"
        return text[: cleared.start()] + line + text[cleared.end() :]
    place = _ORDER.get(key, len(_ORDER))
    before = [(name, node) for name, node in pairs if _ORDER.get(name.value, -1) < place]
    line = f"{key}: {value}\n"
    if before:
        name, node = max(before, key=lambda pair: _ORDER.get(pair[0].value, -1))
        at = _line_end(text, max(_end(text, node), name.end_mark.index))
    elif pairs:
        at = text.rfind("\n", 0, pairs[0][0].start_mark.index) + 1
    else:
        at = len(text)
    start = "" if not at or text[at - 1] == "\n" else "\n"
    return f"{text[:at]}{start}{line}{text[at:]}"


def values_of(text: str) -> dict[str, str | None]:
    """Each key's value as it is written, in one line of a form; None for what is more than a list of words."""
    found: dict[str, str | None] = {}
    for name, node in _pairs(text):
        if isinstance(node, yaml.ScalarNode):
            found.setdefault(name.value, None if "\n" in node.value else node.value)
        elif isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
            found.setdefault(name.value, ", ".join(item.value for item in node.value))
        else:
            found.setdefault(name.value, None)
    return found
