import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

datasets = pytest.importorskip("datasets")
hub = pytest.importorskip("huggingface_hub")

from grpoctl.data.dataset_info import FoundEntry, find_entry
from grpoctl.data.rows import read_rows
from grpoctl.dataset_download import fetch_datasets
from grpoctl.errors import GrpoctlError
from grpoctl.recipe.load import read_recipe
from grpoctl.recipe.schema import Recipe


class Hub:
    """Answers as the hub and `datasets` do, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.rows: Any = [{"question": "6*12?", "answer": "#### 72", "day": date(2024, 1, 2), "picture": b"\x89PNG"}]
        self.unreachable: Exception | None = None

    def dataset_info(self, name: str, timeout: float) -> None:
        if self.unreachable is not None:
            raise self.unreachable

    def load_dataset(self, name: str, subset: str | None, *, split: str, data_dir: str | None) -> Any:
        self.asked.append((name, subset, split, data_dir, hub.constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE))
        if isinstance(self.rows, Exception):
            raise self.rows
        return self.rows


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub()
    monkeypatch.setattr(hub, "HfApi", lambda: made)
    monkeypatch.setattr(datasets, "load_dataset", made.load_dataset)
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    return made


@pytest.fixture
def recipe(recipe_file: Callable[..., Path], tmp_path: Path) -> Recipe:
    info = {
        "hubbed": {"hf_hub_url": "some/set", "subset": "main", "columns": {"prompt": "question", "answer": "answer"}}
    }
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    where = (f"dataset_dir={tmp_path}", f"cache_dir={tmp_path / 'cache'}")
    found = read_recipe(str(recipe_file()), ("dataset=hubbed,tiny_arithmetic", *where)).recipe
    assert found is not None
    return found


def find(recipe: Recipe) -> FoundEntry:
    found = find_entry("hubbed", Path(recipe.dataset_dir), recipe.cache_dir)
    assert isinstance(found, FoundEntry)
    return found


def test_a_missing_data_set_is_fetched_once_and_then_read_from_its_file(fake: Hub, recipe: Recipe) -> None:
    assert find(recipe).entry.file_name is None
    assert fetch_datasets(recipe)
    assert fake.asked == [("some/set", "main", "train", None, False, False)]
    found = find(recipe)
    (row,) = read_rows(found.entry, found.folder).rows
    assert (row.question, row.answer) == ("6*12?", "72")
    # the date has become text, and bytes have no words in JSON
    assert row.columns == {"question": "6*12?", "answer": "#### 72", "day": "2024-01-02"}
    assert not fetch_datasets(recipe)
    assert len(fake.asked) == 1


def test_a_real_data_set_comes_whole(fake: Hub, recipe: Recipe) -> None:
    fake.rows = datasets.Dataset.from_list([{"question": f"{n}\n?", "answer": n} for n in range(100)])
    fetch_datasets(recipe)
    found = find(recipe)
    assert [row.answer for row in read_rows(found.entry, found.folder).rows] == [str(n) for n in range(100)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("Unknown split train\nand more"), "ValueError: Unknown split train"),
        (ModuleNotFoundError("No module named 'x'", name="x"), "this Python lacks x: pip install x"),
    ],
)
def test_what_cannot_be_fetched_is_one_line_with_the_way_without_the_hub(
    fake: Hub, recipe: Recipe, error: Exception, reason: str
) -> None:
    fake.rows = error
    with pytest.raises(GrpoctlError) as caught:
        fetch_datasets(recipe)
    assert str(caught.value) == (
        f"some/set: cannot be fetched from the Hugging Face hub ({reason}); copy its files here and name them, as in "
        "dataset: path/to/train.jsonl."
    )


def test_without_a_network_the_cache_is_asked_and_nothing_is_tried_again(fake: Hub, recipe: Recipe) -> None:
    fake.unreachable = ConnectionError("Name or service not known")
    assert fetch_datasets(recipe)
    assert fake.asked == [("some/set", "main", "train", None, True, True)]
    assert (hub.constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE) == (False, False)


def test_without_a_network_and_a_cache_the_network_is_the_reason(fake: Hub, recipe: Recipe) -> None:
    fake.unreachable, fake.rows = ConnectionError("Name or service not known"), ConnectionError("Couldn't find cache")
    with pytest.raises(GrpoctlError, match=r"\(ConnectionError: Name or service not known\)"):
        fetch_datasets(recipe)
    assert (hub.constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE) == (False, False)


def test_a_refusal_of_the_hub_is_told_and_its_cache_not_asked(fake: Hub, recipe: Recipe) -> None:
    refusal = RuntimeError("404 Client Error")
    refusal.response = object()  # type: ignore[attr-defined]
    fake.unreachable = refusal
    with pytest.raises(GrpoctlError, match="404 Client Error"):
        fetch_datasets(recipe)
    assert fake.asked == []


def test_a_download_that_breaks_off_leaves_nothing(fake: Hub, recipe: Recipe, tmp_path: Path) -> None:
    def breaks() -> Iterator[dict[str, str]]:
        yield {"question": "a", "answer": "1"}
        raise OSError("No space left on device")

    fake.rows = breaks()
    with pytest.raises(GrpoctlError, match="No space left on device"):
        fetch_datasets(recipe)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    assert find(recipe).entry.file_name is None
