"""The pixels of a picture, by its number in a file or from a file of its own."""

from pathlib import Path
from typing import Any

import pytest
from idx_files import picture, write_idx

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from grpoctl.digits.pixels import pixels_of
from grpoctl.digits.sets import DigitSet, find_set
from grpoctl.errors import InputError


def a_zero() -> Any:
    """A ring, light on dark, where MNIST would have it."""
    rows, columns = np.mgrid[:28, :28] - 13.5
    far = np.hypot(rows / 10, columns / 7)
    return np.where((far < 1) & (far > 0.6), 255, 0).astype(np.uint8)


def test_pictures_come_in_the_order_that_they_are_asked_in(tmp_path: Path) -> None:
    folder = write_idx(tmp_path / "idx", train=20, test=10)
    file = folder / "train-images-idx3-ubyte"
    found = pixels_of([f"{file}#12", f"{folder}/t10k-images-idx3-ubyte#0", f"{file}#3"])
    assert [row.tobytes() for row in found] == [picture(2, 12), picture(0, 20), picture(3, 3)]


def test_scikit_learns_digits_stand_in_the_middle_square() -> None:
    pytest.importorskip("sklearn")
    small = find_set("digits", Path())
    assert isinstance(small, DigitSet)
    pictures = pixels_of([row.question for row in small.rows()[:50]]).reshape(-1, 28, 28)
    assert pictures[:, 4:-4, 4:-4].any(axis=(1, 2)).all()
    assert pictures.max() == 255
    pictures[:, 4:-4, 4:-4] = 0
    assert not pictures.any()


def test_a_picture_as_mnist_has_them_is_taken_as_it_stands(tmp_path: Path) -> None:
    Image.fromarray(a_zero()).save(tmp_path / "0.png")
    assert (pixels_of([str(tmp_path / "0.png")])[0].reshape(28, 28) == a_zero()).all()


def test_ink_on_paper_of_any_size_becomes_the_same_picture(tmp_path: Path) -> None:
    large = np.full((400, 300), 235, np.uint8)
    large[60:340, 10:290] = 235 - np.kron(a_zero(), np.ones((10, 10), np.uint8)) // 255 * 225
    Image.fromarray(large).convert("RGB").save(tmp_path / "photo.png")
    (read,) = pixels_of([str(tmp_path / "photo.png")])
    near = np.corrcoef(read.astype(float), a_zero().ravel())[0, 1]
    assert near > 0.85
    ink = np.argwhere(read.reshape(28, 28) > 60)
    assert np.ptp(ink, axis=0).max() <= 20
    middle = np.average(np.arange(28), weights=read.reshape(28, 28).sum(axis=1))
    assert middle == pytest.approx(13.5, abs=1.0)


def test_what_is_transparent_is_paper(tmp_path: Path) -> None:
    drawn = np.zeros((280, 280, 4), np.uint8)
    drawn[..., 3] = np.kron(a_zero(), np.ones((10, 10), np.uint8))  # black ink on nothing
    Image.fromarray(drawn).save(tmp_path / "drawn.png")
    (read,) = pixels_of([str(tmp_path / "drawn.png")])
    assert np.corrcoef(read.astype(float), a_zero().ravel())[0, 1] > 0.85


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("gone.png", None, "is no picture that is here"),
        ("text.png", b"no picture", "is no picture that can be read"),
        ("blank.png", "blank", "is a picture of nothing"),
    ],
)
def test_what_is_no_picture_of_a_digit_is_one_line(tmp_path: Path, name: str, data: Any, said: str) -> None:
    if data == "blank":
        Image.new("L", (100, 100), 255).save(tmp_path / name)
    elif data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=said):
        pixels_of([str(tmp_path / name)])


def test_a_number_behind_the_last_picture_is_told(tmp_path: Path) -> None:
    folder = write_idx(tmp_path / "idx", train=10, test=1)
    with pytest.raises(InputError, match="has 10 pictures, and number 10 is asked for"):
        pixels_of([f"{folder}/train-images-idx3-ubyte#10"])
    with pytest.raises(InputError, match="has 1 picture, and number 4 is asked for"):
        pixels_of([f"{folder}/t10k-images-idx3-ubyte#4"])
