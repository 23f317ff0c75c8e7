"""Who is let in where a password is set? Who has said it once to the page of this module, until the browser closes.

Gradio's own way in tells neither of a pause nor of an empty field, speaks English alone, and leaves routes open.
"""

import asyncio
import secrets
from collections import OrderedDict
from http.cookies import CookieError, SimpleCookie
from math import ceil
from typing import Protocol
from urllib.parse import parse_qs

from webui.asgi import Receive, Scope, Send, answer
from webui.html import Child, Markup, h
from webui.words import LANGUAGES, Say

_MOST = 512  # browsers; the one that came first has to say it again
_LONGEST = 4096  # bytes of what may be typed for a password
_OWN_START = "/gradio_api/startup-events"  # which Gradio asks itself for, to see whether it is up; it tells nothing
_LOOK = """
body { font: 14px/1.5 Inter, "Segoe UI", "Noto Sans CJK SC", sans-serif }
main { max-width: 340px; margin: 14vh auto; padding: 0 16px }
h1 { display: flex; gap: 8px; align-items: center; font-size: 18px; margin: 0 0 12px } h1 button { margin-left: auto }
label { display: block; font-weight: 550; margin-bottom: 4px } form { display: grid; gap: 10px }
main .island { padding: 18px 20px }
"""


class Checks(Protocol):
    """What knows the password."""

    def __call__(self, user: str, password: str) -> bool: ...

    @property
    def waits_s(self) -> float: ...


class Door:
    """Tells those who were let in from the others, and lets in who knows the password."""

    def __init__(self, password: Checks, script: str, style: str, logo: Markup) -> None:
        self._password = password
        self._script, self._style, self._logo = script, style, logo
        self._inside: OrderedDict[str, None] = OrderedDict()

    def is_inside(self, scope: Scope) -> bool:
        if scope["path"] == _OWN_START:
            return True
        header = b"; ".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1")
        try:
            cookie = SimpleCookie(header).get(_cookie_name(scope))
        except CookieError:
            return False
        return cookie is not None and cookie.value in self._inside

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The page that asks for the password, or what came of saying it; all else is closed."""
        if (scope["method"], scope["path"]) == ("POST", "/login"):
            await self._hear(scope, receive, send)
        elif scope["method"] == "GET" and scope["path"] in ("/", "/login"):
            await self._show(send, 401)
        else:
            await answer(send, 401, "Say the password first.")

    async def _hear(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = parse_qs((await _body(receive)).decode("utf-8", "replace"), keep_blank_values=True)
        # Beside the loop, which others wait for: a hash is slow by intention.
        right = await asyncio.to_thread(self._password, "", said.get("password", [""])[-1])
        if right:
            token = secrets.token_urlsafe(32)
            self._inside[token] = None
            while len(self._inside) > _MOST:
                self._inside.popitem(last=False)
            kept = f"{_cookie_name(scope)}={token}; Path=/; HttpOnly; SameSite=Strict".encode()
            go = h("meta", http_equiv="refresh", content="0;url=/")
            await answer(send, 200, f"<!doctype html>{go}", "text/html", [(b"set-cookie", kept)])
            return
        waits = ceil(self._password.waits_s)
        if waits > 0:
            await self._show(send, 429, "After five wrong ones nobody is let in. Try again in {n} seconds.", n=waits)
        else:
            await self._show(send, 400, "That is not the password.")

    async def _show(self, send: Send, status: int, wrong: str = "", **values: object) -> None:
        fault = h("p", _in_all(wrong, **values), class_="note bad", role="alert", id="wrong") if wrong else None
        switch = h("button", _per_language({"en": "中文", "zh": "English"}), type="button",
                   onclick="grpoSwitchLanguage()")  # fmt: skip
        page = h(
            "html",
            h("head", h("meta", charset="utf-8"), h("title", "grpoctl"),
              h("meta", name="viewport", content="width=device-width, initial-scale=1"),
              h("script", Markup(self._script)), h("style", Markup(self._style + _LOOK))),
            h("body", h("main", h("div", h("h1", self._logo, h("b", "grpoctl"), switch), h("form",
                h("div", h("label", _in_all("Password"), for_="password"),
                  h("input", id="password", name="password", type="password", autocomplete="current-password",
                    autofocus=True, required=True)),
                fault,
                h("button", _in_all("Go in"), class_="primary"),
                h("small", _in_all("It is the one that this page was started with."), class_="quiet"),
                method="post", action="/login"), class_="island card"))),
            lang="en",
        )  # fmt: skip
        retry = [(b"retry-after", str(values["n"]).encode())] if status == 429 else []
        await answer(send, status, f"<!doctype html>{page}", "text/html", retry)


def _in_all(english: str, **values: object) -> Child:
    """A sentence in every language, of which the page shows one."""
    return _per_language({language: Say(language)(english, **values) for language in LANGUAGES})


def _per_language(texts: dict[str, str]) -> Child:
    return [h("span", text, class_=f"only-{language}") for language, text in texts.items()]


def _cookie_name(scope: Scope) -> str:
    """Cookies are kept by host, and two pages may be served on two ports of one."""
    return f"grpoctl-{(scope.get('server') or ('', 0))[1]}"


async def _body(receive: Receive) -> bytes:
    """What was sent, or its beginning: nobody who has not said the password fills the memory."""
    said = b""
    while len(said) < _LONGEST:
        message = await receive()
        said += message.get("body", b"")
        if not message.get("more_body"):
            break
    return said[:_LONGEST]
