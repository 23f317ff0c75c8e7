"""What stands between the tags of a completion? Text searches only, so that no completion can make them slow."""


def last_tagged(text: str, tag: str) -> str | None:
    """The text of the last complete `<tag>…</tag>`, or None."""
    end = text.rfind(f"</{tag}>")
    start = text.rfind(f"<{tag}>", 0, max(end, 0))
    return text[start + len(tag) + 2 : end] if start >= 0 else None


def has_pair(text: str, tag: str) -> bool:
    """Whether the tag is opened and, somewhere behind that, closed."""
    start = text.find(f"<{tag}>")
    return start >= 0 and text.find(f"</{tag}>", start) >= 0
