"""Which pictures a name stands for."""

from pathlib import Path

import pytest
from idx_files import labels_file, picture, pictures_file, write_idx

from grpoctl.digits import sets
from grpoctl.digits.sets import DigitSet, find_set
from grpoctl.errors import DataError, Finding


@pytest.fixture(autouse=True)
def no_torchvision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sets, "missing_packages", lambda packages: list(packages))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def found(name: str, **kwargs: str) -> DigitSet:
    made = find_set(name, Path("data"), **kwargs)
    assert isinstance(made, DigitSet), made
    return made


def fault(name: str) -> str:
    made = find_set(name, Path("data"))
    assert isinstance(made, Finding)
    return str(made)


def test_a_folder_has_a_split_to_train_on_and_one_to_test_on(tmp_path: Path) -> None:
    folder = write_idx(tmp_path / "idx", train=30, test=10, packed=True)
    rows = found(str(folder)).rows()
    assert len(rows) == 30
    assert rows[17].question == f"{folder}/train-images-idx3-ubyte.gz#17"
    assert rows[17].answer == "7"
    assert len(found(f"{folder}:test").rows()) == 10


def test_a_folder_that_lacks_a_file_says_which(tmp_path: Path) -> None:
    folder = write_idx(tmp_path / "idx", train=10, test=10)
    (folder / "t10k-images-idx3-ubyte").unlink()
    said = "has no pictures of the split test (t10k-images-idx3-ubyte, .gz or not); it has the split train."
    assert fault(f"{folder}:test") == f"{folder}: {said}"
    (folder / "train-labels-idx1-ubyte").unlink()
    assert "has no labels of the split train (train-labels-idx1-ubyte" in fault(str(folder))


def test_pictures_without_as_many_labels_are_refused(tmp_path: Path) -> None:
    folder = write_idx(tmp_path / "idx", train=10, test=10)
    (folder / "train-labels-idx1-ubyte").write_bytes(labels_file(range(9)))
    with pytest.raises(DataError, match="holds 10 pictures, and train-labels-idx1-ubyte 9 labels"):
        found(str(folder)).rows()


def test_mnist_is_scikit_learns_digits_where_torchvision_is_not(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    train, test = found("mnist"), found("mnist:test")
    assert (train.stands_for, test.stands_for) == ("mnist:train", "mnist:test")
    assert (len(train.rows()), len(test.rows())) == (1437, 360)
    assert {row.question for row in train.rows()}.isdisjoint(row.question for row in test.rows())


def test_mnist_is_awaited_from_torchvision_and_taken_from_where_that_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "missing_packages", lambda packages: [])
    assert find_set("mnist", Path("data")) is None
    write_idx(tmp_path / "cache" / "grpoctl" / "MNIST" / "raw", train=20, test=10)
    assert len(found("mnist").rows()) == 20
    write_idx(tmp_path / "own" / "MNIST" / "raw", train=30, test=10)
    assert len(found("mnist", cache_dir=str(tmp_path / "own")).rows()) == 30


def test_without_either_the_two_remedies_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "neither torchvision nor scikit-learn is here; install one of them, or name a folder" in fault("mnist")
    assert "pip install scikit-learn" in fault("digits")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mnst", "did you mean mnist?"),
        ("mnist:dev", "use mnist:train or mnist:test"),
        ("gone/away", "no such folder of IDX files is here"),
    ],
)
def test_a_name_that_stands_for_nothing_gets_a_remedy(name: str, said: str) -> None:
    assert said in fault(name)


def test_other_spellings_of_the_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "train-images.idx3-ubyte").write_bytes(pictures_file([picture(3)]))
    (tmp_path / "train-labels.idx1-ubyte").write_bytes(labels_file([3]))
    assert [row.answer for row in found(str(tmp_path)).rows()] == ["3"]
