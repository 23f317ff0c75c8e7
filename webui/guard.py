"""Who may talk to the page's server? Only a browser that shows this very page.

Gradio answers every POST of any other page that the user has open, and any name that a foreign DNS server points here.
So each request must name this server as its host, what changes anything must come from this page, and Gradio's routes
that the page has no use for are closed.
"""

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from webui import downloads
from webui.asgi import App, Receive, Scope, Send, answer
from webui.login import Door

# What the page itself asks for below these; all else of Gradio's interface is closed.
_OPEN = ("component_server", "queue/join", "queue/data", "heartbeat", "startup-events", "app_id", "reset", "cancel")
_API = "/gradio_api/"
_CLOSED = (
    "/config/deep_link",
    "/monitoring",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/gradio_api/file",
    "/proxy",
    "/file",
)

_HEADERS = (
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # none at all would leave a form's Origin out, too
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        b"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
)

MAX_BODY_BYTES = 4 * 2**20


class Guard:
    """ASGI middleware; `hosts` are the names that this server goes by, None where any may be, behind a door."""

    def __init__(self, app: App, hosts: frozenset[str] | None, head: str, door: Door | None = None) -> None:
        self._app, self._hosts, self._door = app, hosts, door
        self._head = head.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the page opens none
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is not None:
            await answer(send, *refused)
            return
        if self._door is not None and not self._door.is_inside(scope):
            await self._door.answer(scope, receive, _with_headers(send))
            return
        if scope["path"] == "/login":  # asked for again by who is inside, or where no password is wanted
            await answer(send, 303, "", more=[(b"location", b"/")])
            return
        if scope["path"].startswith(downloads.PREFIX):
            await _send_file(scope, receive, _with_headers(send))
            return
        if scope["method"] == "GET" and scope["path"] == "/":
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            send = _FirstInHead(send, self._head)
        await self._app(scope, receive, _with_headers(send))

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._hosts is not None and _name_of(host) not in self._hosts:
            return 421, "This server goes by another name."
        if scope["method"] not in ("GET", "HEAD"):
            origin = headers.get(b"origin", b"").decode("latin-1").lower()
            if urlsplit(origin).netloc != host:
                return 403, "Only its own page may ask this server to do anything."
            length = headers.get(b"content-length", b"")
            if not length.isdigit() or int(length) > MAX_BODY_BYTES:
                return 413, "That is too much at once."
        path: str = scope["path"]
        if path.startswith(_API) and not path.removeprefix(_API).startswith(_OPEN):
            return 404, "Not here."
        return (404, "Not here.") if path.startswith(_CLOSED) else None


def _name_of(host: str) -> str:
    """A host header without its port; an IPv6 address keeps its brackets."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


async def _send_file(scope: Scope, receive: Receive, send: Send) -> None:
    from starlette.responses import FileResponse

    path = downloads.taken(scope["path"])
    if path is None:
        await answer(send, 404, "This address has had its time; ask for the file again.")
        return
    await FileResponse(path, filename=path.name, media_type="application/octet-stream")(scope, receive, send)


def _with_headers(send: Send) -> Send:
    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *_HEADERS]
        await send(message)

    return sent


class _FirstInHead:
    """Sends a page on with a text put first into its head: Gradio's own `head` comes when it has read the language."""

    def __init__(self, send: Send, head: bytes) -> None:
        self._send, self._head = send, head
        self._start: MutableMapping[str, Any] = {}
        self._body: list[bytes] = []

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body.append(message.get("body", b""))
        if message.get("more_body"):
            return
        page = b"".join(self._body).replace(b"<head>", b"<head>" + self._head, 1)
        headers = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
        self._start["headers"] = [*headers, (b"content-length", str(len(page)).encode())]
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": page})
