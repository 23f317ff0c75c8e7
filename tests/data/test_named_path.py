from pathlib import Path

import pytest

from grpoctl.data.named_path import Named, is_path_like, locate


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("data/x", True), ("./x", True), ("~/x", True), ("x.jsonl", True), ("x.csv.gz", True), ("gsm8k", False),
        ("gsm8k.v2", False),
    ],
)  # fmt: skip
def test_what_can_only_be_meant_as_a_path(name: str, meant: bool) -> None:
    assert is_path_like(name) is meant


def test_paths_start_where_one_stands_and_then_below_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    for name in ("a.jsonl", "data/a.jsonl", "data/b.jsonl", "data/c:d"):
        (tmp_path / name).write_text("")
    data = Path("data")
    assert locate("a.jsonl", data) == Named(Path("a.jsonl"))
    assert locate("b.jsonl", data) == Named(Path("data/b.jsonl"))
    assert locate("~/a.jsonl", data) == Named(tmp_path / "a.jsonl")
    assert locate("data:test", data) == Named(Path("data"), "test")
    assert locate("data/c:d", data) == Named(Path("data/c:d"))  # a path that is there has no split behind it
    assert locate("c.jsonl", data) is None
    assert locate("c.jsonl:test", data) is None
    assert locate("a\0b", data) is None
    assert locate("x" * 5000, data) is None
