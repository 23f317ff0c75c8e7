"""How is a number of things said?"""


def counted(number: int, what: str) -> str:
    """`1 step`, `80 steps`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
