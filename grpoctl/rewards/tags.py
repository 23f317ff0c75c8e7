"""What stands between the tags of a completion? Text searches only, so that no completion can make them slow."""

from collections.abc import Iterable


def last_tagged(text: str, tag: str) -> str | None:
    """The text of the last complete `<tag>…</tag>`, or None."""
    return all_last_tagged([text], tag)[0]


def all_last_tagged(texts: Iterable[str], tag: str) -> list[str | None]:
    """The same for many texts; in one loop, because every completion of every step passes here."""
    opening, closing = f"<{tag}>", f"</{tag}>"
    width = len(opening)
    found: list[str | None] = []
    for text in texts:
        end = text.rfind(closing)
        start = text.rfind(opening, 0, end) if end > 0 else -1
        if start < 0:
            found.append(None)
            continue
        inner = text[start + width : end]
        found.append(inner if closing not in inner else inner[: inner.find(closing)])
    return found


def has_pair(text: str, tag: str) -> bool:
    """Whether the tag is opened and, somewhere behind that, closed."""
    start = text.find(f"<{tag}>")
    return start >= 0 and text.find(f"</{tag}>", start) >= 0
