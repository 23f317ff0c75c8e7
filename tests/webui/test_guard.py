"""Who the page's server answers, asked over its real sockets."""

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_run import make_run
from webui_server import Server

from grpoctl.errors import InputError
from webui import downloads
from webui.serve import Password, free_port, is_loopback

Open = Callable[..., Any]


def ask(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_the_server_answers_its_own_page_alone(one_server: Server) -> None:
    server = one_server
    own = f"http://127.0.0.1:{server.port}"
    status, page = ask(server, "GET", "/")
    assert status == 200 and page.index(b"grpoctl-lang") < page.index(b"</head>")
    # A name that somebody else's DNS server points here.
    assert ask(server, "GET", "/", Host="evil.example:80")[0] == 421
    # Another page that the user has open.
    view = "/gradio_api/component_server"
    assert ask(server, "POST", view, b"{}", Origin="http://evil.example")[0] == 403
    assert ask(server, "POST", view, b"{}")[0] == 403
    assert ask(server, "POST", view, b"{}", Origin=own)[0] not in (403, 404)
    assert ask(server, "POST", view, b"x" * (5 * 2**20), Origin=own)[0] == 413


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/info",
        "/gradio_api/api/predict",
        "/gradio_api/call/x",
        "/gradio_api/upload",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/proxy=http://example.com",
        "/gradio_api/openapi.json",
        "/openapi.json",
        "/docs",
        "/monitoring",
        "/file=/etc/passwd",
        "/run-file/../../etc/passwd",
        "/run-file/",
    ],
)
def test_what_the_page_does_not_use_is_closed(one_server: Server, path: str) -> None:
    own = f"http://127.0.0.1:{one_server.port}"
    assert ask(one_server, "GET", path)[0] == 404
    assert ask(one_server, "POST", path, b"{}", Origin=own)[0] in (403, 404)


@pytest.mark.parametrize(
    "named", ["dataset: /etc/passwd", "dataset: ../outside.jsonl", "reward_funcs: ../outside.py:f"]
)
def test_no_request_has_a_file_read_that_lies_elsewhere(one_server: Server, named: str) -> None:
    outside = one_server.folder.parent
    (outside / "outside.jsonl").write_text('{"question": "secret", "answer": "1"}\n')
    (outside / "outside.py").write_text('open("was-run", "w")\n')
    text = f"model_name_or_path: tiny\n{'dataset: tiny_arithmetic' if 'reward' in named else ''}\n{named}\n"
    for fn, asked in (("view", ["findings", {"text": text}, ""]), ("act", ["launch", {"text": text}, {}])):
        said = served(one_server, fn, asked)
        assert "leads to" in said and "saves/, recipes/ and data/ alone" in said
        assert "secret" not in said and "root:" not in said
    assert not (one_server.folder / "was-run").exists() and not (one_server.folder / "saves").exists()


def test_no_name_in_a_request_leads_elsewhere(one_server: Server) -> None:
    for name in ("../outside", "/etc/passwd", "..", "a/../../outside"):
        for act, state, arguments in (
            ("open", {}, {"value": f"recipe:{name}"}),
            ("open", {}, {"value": f"run:{name}"}),
            ("save", {"text": "seed: 1", "save_as": name}, {}),
            ("download", {}, {"run": name, "file": "passwd"}),
            ("stop", {"run": name}, {}),
            ("resume", {"run": name}, {}),
            ("eval-start", {"eval_run": name}, {}),
            ("eval-stop", {}, {"eval": name}),
        ):
            said = json.loads(served(one_server, "act", [act, state, arguments]))
            assert said["wrong"] or said["said"] == "It has ended already.", (act, name)
            assert said["write"] is None and said["data"] is None
        assert "root:" not in served(one_server, "view", ["run", {"run": name, "part": "log"}, ""])
    assert list(one_server.folder.glob("re*")) == []


def served(server: Server, function: str, asked: list[Any]) -> str:
    """What the page's own script would be answered."""
    config = json.loads(ask(server, "GET", "/config")[1])
    island = next(each["id"] for each in config["components"] if "island" in str(each["props"].get("html_template")))
    body = {"data": asked, "fn_name": function, "component_id": island, "session_hash": "x"}
    kinds = {"Origin": f"http://127.0.0.1:{server.port}", "Content_Type": "application/json"}
    status, said = ask(server, "POST", "/gradio_api/component_server", json.dumps(body).encode(), **kinds)
    assert status == 200, said
    return said.decode()


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("gradio")
    from webui_server import free_port as any_port

    server = Server(tmp_path_factory.mktemp("guarded"), any_port()).start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def closed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that wants a password."""
    pytest.importorskip("gradio")
    from webui_server import free_port as any_port

    folder = tmp_path_factory.mktemp("closed")
    server = Server(folder, any_port(), "--host", "0.0.0.0", GRPOCTL_WEBUI_PASSWORD="open sesame").start()
    yield server
    server.kill()


def test_elsewhere_than_here_a_password_is_wanted(closed_server: Server) -> None:
    server = closed_server
    own = f"http://127.0.0.1:{server.port}"
    body = b'{"data": [["runs", {}, ""]], "fn_name": "view", "component_id": 5, "session_hash": "x"}'
    kind = "application/json"
    status, _ = ask(server, "POST", "/gradio_api/component_server", body, Origin=own, Content_Type=kind)
    assert status == 401
    wrong = b"username=x&password=nonsense"
    form = "application/x-www-form-urlencoded"
    assert ask(server, "POST", "/login", wrong, Origin=own, Content_Type=form)[0] == 400
    long = b"x=" + b"y" * (1 << 16) + b"&password=open+sesame"  # of which the beginning alone is read
    assert ask(server, "POST", "/login", long, Origin=own, Content_Type=form)[0] == 400
    right = b"username=x&password=open+sesame"
    assert ask(server, "POST", "/login", right, Origin=own, Content_Type=form)[0] == 200


def test_no_password_is_one_line(grpoctl: Callable[..., tuple[int, str, str]]) -> None:
    code, _, said = grpoctl("webui", "--host", "0.0.0.0")
    assert code == 2 and said.count("\n") == 1
    assert said.startswith("--host 0.0.0.0: is an address that others can reach, and no password is set; ")


def test_a_port_in_use_is_one_line() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"127.0.0.1:{port}: cannot be served on \(Address already in use\)"):
            free_port("127.0.0.1", port)
    assert free_port("127.0.0.1", None) >= 7860


def test_loopback_is_known_in_all_its_forms() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "localhost", "::1", "127.8.8.8"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "192.168.1.2", "example.com"]))


def test_guessing_a_password_takes_ever_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("webui.serve.time.monotonic", lambda: now[0])
    let_in = Password("right")
    assert let_in("anybody", "right")
    assert not any(let_in("", "wrong") for _ in range(5))
    assert not let_in("", "right")  # too soon
    now[0] += 31
    assert let_in("", "right")


def test_an_address_of_a_file_holds_for_a_minute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = [100.0]
    monkeypatch.setattr("webui.downloads.time.monotonic", lambda: now[0])
    file = make_run(tmp_path / "one").manifest
    address = downloads.offer(file)
    assert downloads.taken(address) == file
    now[0] += 61
    assert downloads.taken(address) is None
    assert downloads.taken("/run-file/nonsense") is None


def test_who_is_let_in_sees_the_page_and_nobody_else_does(closed_server: Server, open_page: Open) -> None:
    from playwright.sync_api import expect

    server = closed_server
    page = open_page(server)
    page.get_by_label("Password").fill("open sesame")
    page.get_by_label("Password").press("Enter")
    expect(page.locator("#facts")).to_be_visible()
    page.goto(server.url + "login")  # which has been answered
    expect(page.locator("#facts")).to_be_visible()
    own = f"http://127.0.0.1:{server.port}"
    for path in ("/config", "/theme.css", "/gradio_api/heartbeat/x", "/gradio_api/queue/data?session_hash=x"):
        assert ask(server, "GET", path)[0] == 401
        assert ask(server, "GET", path, Cookie=f"grpoctl-{server.port}=nonsense")[0] == 401
    assert ask(server, "POST", "/gradio_api/queue/join", b"{}", Origin=own)[0] == 401


def test_the_way_in_says_what_is_wrong_in_both_languages(closed_server: Server, open_page: Open) -> None:
    from playwright.sync_api import expect

    page = open_page(closed_server, "?tab=runs")
    expect(page.get_by_role("button", name="Go in")).to_be_visible()
    for tries in range(5):
        page.get_by_label("Password").fill("nonsense")
        page.get_by_role("button", name="Go in").click()
        said = "That is not the password." if tries < 4 else "After five wrong ones nobody is let in. Try again in "
        expect(page.locator("#wrong")).to_contain_text(said)
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("button", name="进入")).to_be_visible()
    page.get_by_label("密码").fill("open sesame")  # which is right, and too soon
    page.get_by_role("button", name="进入").click()
    expect(page.locator("#wrong")).to_contain_text("连续五次错误后暂不放行")
