"""A reward server over HTTP: what it says, and what happens where it does not."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.registry import BadReward, ready_reward
from grpoctl.rewards.results import NoScores, scores_of
from grpoctl.rewards.server import server

Reply = tuple[int, bytes]
COLUMNS = {"prompts": ["p", "q"], "answer": ["1", "2"]}


class Fake:
    """A server that answers in turn with what it was given, and keeps what it was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.asked: list[dict[str, Any]] = []
        self.delay_s = 0.0
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                fake.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                threading.Event().wait(fake.delay_s)
                code, body = fake.replies[min(len(fake.asked), len(fake.replies)) - 1]
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

            def finish(self) -> None:
                with contextlib.suppress(OSError):  # whoever asked may have left
                    super().finish()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_port}/score"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between two tries
    made = Fake()
    yield made
    made.close()


@pytest.fixture
def score(fake: Fake) -> Callable[..., list[Any]]:
    def ask(*replies: Reply, **arguments: Any) -> list[Any]:
        fake.replies = list(replies)
        return server(["a", "b"], COLUMNS["prompts"], COLUMNS["answer"], url=fake.url, **arguments)

    return ask


def test_it_is_asked_for_a_batch_and_its_scores_count(fake: Fake, score: Callable[..., list[Any]]) -> None:
    assert score((200, b'{"scores": [1.5, null]}')) == [1.5, None]
    assert fake.asked == [{"prompts": ["p", "q"], "completions": ["a", "b"], "answer": ["1", "2"]}]
    assert score((200, b"[0, 1]")) == [0, 1]  # the bare list is understood as well


@pytest.mark.parametrize("code", [429, 500, 503])
def test_one_that_is_busy_is_asked_again(code: int, fake: Fake, score: Callable[..., list[Any]]) -> None:
    assert score((code, b""), (code, b""), (200, b"[1, 0]")) == [1, 0]
    assert len(fake.asked) == 3


@pytest.mark.parametrize(
    ("reply", "message", "asked"),
    [
        ((503, b""), "answers 503 Service Unavailable", 3),
        ((404, b""), "answers 404 Not Found", 1),
        ((200, b"<html>"), 'answers no JSON (the text "<html>")', 1),
        ((200, b"{}"), 'answers no {"scores": […]}', 1),
        ((200, b"[" * 100_000), "answers no JSON", 1),
    ],
)
def test_what_is_no_answer_is_said_in_one_line(
    reply: Reply, message: str, asked: int, fake: Fake, score: Callable[..., list[Any]]
) -> None:
    with pytest.raises(NoScores) as caught:
        score(reply)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert len(fake.asked) == asked


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[1,"])
def test_one_that_speaks_no_http_or_stops_in_the_middle_fails_once_for_the_batch(answer: bytes) -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):  # until it is closed
            while True:
                asking, _ = listening.accept()
                with asking:
                    asking.recv(65_536)
                    asking.sendall(answer)

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    use = RewardUse(use="server", args={"url": f"http://127.0.0.1:{listening.getsockname()[1]}/", "retries": 0})
    scores, faults = scores_of(ready_reward(use, Recipe()), ["a", "b"], COLUMNS)
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    serving.join(5)
    assert scores == [None, None]
    assert faults[0] == faults[1] and faults[0].said.startswith("NoScores: ")


def test_a_slow_one_is_given_up(fake: Fake, score: Callable[..., list[Any]]) -> None:
    fake.delay_s = 5.0
    start = time.perf_counter()
    with pytest.raises(NoScores, match="cannot be reached"):
        score((200, b"[1, 1]"), timeout_s=0.1, retries=1)
    assert time.perf_counter() - start < 2
    assert len(fake.asked) == 2


def test_one_that_is_not_there_fails_once_for_the_batch() -> None:
    use = RewardUse(use="server", args={"url": "http://127.0.0.1:9/", "retries": 0})
    scores, faults = scores_of(ready_reward(use, Recipe()), ["a", "b"], COLUMNS)
    assert scores == [None, None]
    assert "cannot be reached (" in faults[0].said and faults[0] == faults[1]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "uses server without url; add url: …"),
        ({"url": "localhost:80"}, "give an address, such as http://localhost:8000/score"),
        ({"url": "http://"}, 'is the text "http://"; give an address'),
        ({"url": "http://x y/"}, "give an address"),
        ({"url": "http://me:hush@x/"}, "holds a user's name or password"),
        ({"url": "http://x:port/"}, "give an address"),
        ({"url": "http://[::1/"}, "give an address"),
        ({"url": "http://x", "timeout_s": 0}, "is 0; give seconds, above 0 and up to 86400"),
        ({"url": "http://x", "timeout_s": float("inf")}, "is inf; give seconds"),
        ({"url": "http://x", "timeout_s": float("nan")}, "is nan; give seconds"),
        ({"url": "http://x", "retries": -1}, "is -1; use 0 to 20"),
        ({"url": "http://x", "retries": 10**9}, "is 1000000000; use 0 to 20"),
    ],
)
def test_wrong_arguments_are_refused_before_it_is_asked(args: dict[str, object], message: str) -> None:
    with pytest.raises(BadReward) as caught:
        ready_reward(RewardUse(use="server", args=args), Recipe())
    assert message in str(caught.value)
