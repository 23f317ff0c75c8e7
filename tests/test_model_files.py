from pathlib import Path

import pytest

from grpoctl import shipped
from grpoctl.model_files import find_model, hub_cache, is_remote


def test_tiny_is_always_the_built_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model("tiny") == shipped.MODELS["tiny"]
    assert find_model("./tiny") == Path("tiny")


@pytest.mark.parametrize(
    ("name", "remote"),
    [
        ("Qwen/Qwen3-0.6B", True),
        ("gpt2", True),
        ("gs://b/items", True),
        ("./x", False),
        ("/a/b", False),
        ("a/b/c", False),
    ],
)
def test_what_can_only_be_had_from_elsewhere(name: str, remote: bool) -> None:
    assert is_remote(name) is remote


def test_a_folder_of_that_name_comes_before_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Qwen" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert not is_remote("Qwen/mine")
    assert find_model("Qwen/mine") == Path("Qwen/mine")


def test_the_cache_is_where_hugging_face_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_HOME", raising=False)
    assert hub_cache() == Path.home() / ".cache" / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", "/h")
    assert hub_cache() == Path("/h/hub")
    monkeypatch.setenv("HF_HUB_CACHE", "/c")
    assert hub_cache() == Path("/c")
    assert hub_cache("/own") == Path("/own")


def test_a_revision_that_is_a_commit_is_found_without_a_reference(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    assert find_model("a/b", "abc", str(tmp_path)) == snapshot
    assert find_model("a/b", "main", str(tmp_path)) is None
    assert find_model("gs://a/b", "main", str(tmp_path)) is None
