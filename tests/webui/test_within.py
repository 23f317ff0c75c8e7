"""A recipe that stands in the page names no file outside of saves/, recipes/ and data/."""

import json
import re
from pathlib import Path

import pytest

from grpoctl.errors import InputError
from webui import places, processes
from webui.page import Page
from webui.recipes import findings, launch
from webui.words import Say

GOOD = "model_name_or_path: tiny\ndataset: tiny_arithmetic\nreward_funcs: accuracy\nengine: trl\nmax_steps: 1\n"
COLUMNS = {"prompt": "question", "answer": "answer"}
SAID = "and the page reads saves/, recipes/ and data/ alone; use it by the command line, or start the page with: "


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where one stands, beside a folder of secrets."""
    (tmp_path / "here" / "data").mkdir(parents=True)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "rows.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n' * 200)
    (tmp_path / "secrets" / "mine.py").write_text('open("was-run", "w")\ndef mine(completions): return [0]\n')
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(processes, "start", lambda *given, **how: pytest.fail("was started"))
    return tmp_path


def without(key: str) -> str:
    return "".join(line + "\n" for line in GOOD.splitlines() if not line.startswith(f"{key}:"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dataset", "/etc/passwd"),
        ("dataset", "../secrets/rows.jsonl"),
        ("dataset", "data/../../secrets/rows.jsonl"),
        ("dataset", "[tiny_arithmetic, ../secrets/rows.jsonl]"),
        ("dataset", "../secrets:train"),
        ("dataset", "~/.ssh/id_rsa"),
        ("dataset", "own.jsonl"),
        ("dataset", "data/link.jsonl"),
        ("dataset", "link.jsonl"),  # which is looked for below dataset_dir, too
        ("eval_dataset", "/etc/passwd"),
        ("dataset_dir", "/etc"),
        ("dataset_dir", "."),
        ("reward_funcs", "../secrets/mine.py:mine"),
        ("reward_funcs", "[{use: model, path: /etc}]"),
        ("model_name_or_path", "/root"),
        ("model_name_or_path", "~/models"),
        ("tokenizer_name_or_path", "/etc"),
        ("adapter_name_or_path", "../secrets"),
        ("model_revision", "../../../../etc/passwd"),
        ("deepspeed", "/etc/passwd"),
        ("output_dir", "/tmp"),
        ("export_dir", "../secrets"),
        ("resume_from_checkpoint", "/etc"),
        ("cache_dir", "/etc"),
    ],
)
def test_what_leads_elsewhere_is_refused_unread(key: str, value: str, tmp_path: Path) -> None:
    Path("own.jsonl").write_text("{}")
    Path("data/link.jsonl").symlink_to(tmp_path / "secrets" / "rows.jsonl")
    text = f"{without(key)}{key}: {value}\n"
    found = findings.check(text)
    (said,) = [finding for finding in found.errors if finding.key == key]
    assert f"{said.problem}; {said.fix}".startswith("leads to ") and SAID in f"{said.problem}; {said.fix}"
    assert found.rows is None and not found.rewards and not Path("was-run").exists()
    shown = findings.view(Page({"text": text}, Say("en")))
    assert re.search(r'id="start"[^>]* disabled', shown)
    with pytest.raises(InputError, match="leads to"):
        launch.launch(Page({"text": text, "save_as": "x", "run_name": "y"}, Say("en")), {})
    assert not Path("recipes").exists()


def test_what_lies_in_the_pages_folders_is_used(tmp_path: Path) -> None:
    Path("data/rows.jsonl").write_text((tmp_path / "secrets" / "rows.jsonl").read_text())
    Path("recipes").mkdir()
    Path("recipes/mine.py").write_text("def mine(completions): return [0 for _ in completions]\n")
    for dataset in ("data/rows.jsonl", "rows.jsonl", "tiny_arithmetic"):
        text = without("dataset").replace("accuracy", "recipes/mine.py:mine") + f"dataset: {dataset}\n"
        assert findings.check(text).errors == []
    assert findings.check(GOOD + "output_dir: saves/x\n").errors == []


def test_a_name_of_the_hub_is_no_path() -> None:
    text = without("model_name_or_path") + "model_name_or_path: Qwen/Qwen3-0.6B\n"
    assert all("leads to" not in finding.problem for finding in findings.check(text).findings)


def test_a_name_of_the_users_own_table_is_none_either(tmp_path: Path) -> None:
    Path("data/dataset_info.json").write_text(json.dumps({"mine": {"file_name": "rows.jsonl", "columns": COLUMNS}}))
    Path("mine").mkdir()  # a path goes behind an entry's name
    Path("data/rows.jsonl").write_text((tmp_path / "secrets" / "rows.jsonl").read_text())
    assert findings.check(without("dataset") + "dataset: mine\n").errors == []


def test_a_folder_can_be_allowed_when_the_page_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "ALLOWED", [tmp_path / "secrets"])
    text = without("dataset") + f"dataset: {tmp_path}/secrets/rows.jsonl\n"
    assert findings.check(text).errors == []
    assert places.is_within(tmp_path / "secrets" / ".." / "here") is False


def test_a_circle_of_links_and_a_nul_lead_elsewhere() -> None:
    Path("data/a").symlink_to("b")
    Path("data/b").symlink_to("a")
    assert not places.is_within(Path("data/a/x")) and not places.is_within(Path("data/\0"))
    for name in ("\\0", "x" * 5000, "data/a/b"):
        assert findings.check(f'{without("dataset")}dataset: "{name}"\n').errors
