"""What do the parts of the server that stand before Gradio say to each other?"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def answer(
    send: Send, status: int, said: str, kind: str = "text/plain", more: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """A whole answer of text."""
    body = said.encode()
    about = [(b"content-type", f"{kind}; charset=utf-8".encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*about, *more]})
    await send({"type": "http.response.body", "body": body})
