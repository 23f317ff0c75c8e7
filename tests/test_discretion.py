"""What a run leaves behind holds no secret, and what is local calls nobody."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engines.runs import events
from support import SMALL

from grpoctl import cli
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory
from grpoctl.secret_values import secrets_in, without_secrets

SECRETS = {
    "HF_TOKEN": "secret-value",
    "WANDB_API_KEY": "secret-value-of-wandb",
    "AWS_SECRET": 'secret "value" 名',
    "MLFLOW_TRACKING_PASSWORD": "pass-word-of-mlflow",
}


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return SECRETS


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The network is not there but for this machine itself; whom it was asked for."""
    asked: list[Any] = []

    def local(address: Any) -> bool:
        return isinstance(address, str | bytes) or str(address[0]) in ("127.0.0.1", "::1", "localhost")

    def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if local(address):
                return real(self, address)
            asked.append(address)
            raise OSError(101, "Network is unreachable")

        return connect

    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **others: Any) -> Any:
        if host is None or local((host,)):
            return resolve(host, *rest, **others)
        asked.append(host)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refusing(getattr(socket.socket, name)))
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_run_holds_no_secret_and_calls_nobody(
    secrets: dict[str, str], calls: list[Any], tmp_path: Path, runs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("trl")
    own = tmp_path / "own.py"
    own.write_text(
        "import logging, os\n"
        "def f(completion):\n"
        "    logging.getLogger('own').warning('asking with %s', os.environ['WANDB_API_KEY'])\n"
        f"    if os.path.exists({str(runs / 'run' / 'events.jsonl')!r}) and len(completion) % 2:  # not in check\n"
        "        raise RuntimeError(f\"401 for {os.environ['HF_TOKEN']}: {os.environ['AWS_SECRET']}\")\n"
        "    return 1.0\n"
    )
    few = [word for word in SMALL if not word.startswith(("max_steps", "eval_dataset", "report_to"))]
    recipe = ["quickstart", *few, "max_steps=1", "eval_dataset=null", "report_to=tensorboard"]
    words = [f"reward_funcs=[accuracy, {own}:f]", "max_reward_failures=1", f"output_dir={runs / 'run'}"]
    printed = ""
    for command in (
        ["check", *recipe],
        ["train", *recipe, *words],
        ["eval", "run", "eval_dataset=tiny_arithmetic_test", "--limit", "4"],
        ["show", "run"],
        ["show", "run", "--json"],
        ["logs", "run"],
    ):
        code = cli.main(command)
        said = capfd.readouterr()
        printed += said.out + said.err
        assert code == 0, said
    assert calls == []
    failures = [event["reward_failures"] for event in events(RunDirectory(runs / "run"), ev.STEP)]
    assert failures[0] > 0
    log = (runs / "run" / "train.log").read_text(encoding="utf-8")
    assert "asking with <WANDB_API_KEY>" in log
    held = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    assert len(held) > 10
    for value in secrets.values():
        assert value not in printed
        for path, content in held.items():
            assert value.encode() not in content, path


def test_a_recipe_that_holds_a_secret_is_refused(
    secrets: dict[str, str], runs: Path, grpoctl: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, said = grpoctl("check", "quickstart", "system_prompt=My token is secret-value-of-wandb.")
    assert code == 2
    assert (
        "command line: system_prompt: holds the value of WANDB_API_KEY, which would stand in the run's files; take it "
        "out, and read the variable where it is used."
    ) in said
    assert "secret-value" not in out + said


def test_a_secret_is_named_by_its_variable(secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "whatever it is")
    monkeypatch.setenv("SHORT_KEY", "1234567")
    assert without_secrets("secret-value-of-wandb, secret-value, 1234567, whatever it is") == (
        "<WANDB_API_KEY>, <HF_TOKEN>, 1234567, whatever it is"
    )
    assert without_secrets('{"x": "secret \\"value\\" 名"}') == '{"x": "<AWS_SECRET>"}'
    assert list(secrets_in({"a": [{"b": "xpass-word-of-mlflowx"}], "c": 1})) == ["MLFLOW_TRACKING_PASSWORD"]
