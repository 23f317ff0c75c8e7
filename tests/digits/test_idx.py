"""IDX files: what they hold, and one clear line for each that is not whole."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from idx_files import labels_file, picture, pictures_file, write_idx

from grpoctl.digits.idx import read_labels, read_pictures
from grpoctl.errors import DataError

PICTURES = pictures_file([picture(digit) for digit in range(10)])
LABELS = labels_file(range(10))


def fault(read: Callable[[Path], bytes], path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    (finding,) = caught.value.findings
    assert "\n" not in str(finding)
    assert finding.file == str(path)
    return f"{finding.problem}; {finding.fix}"


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_and_labels_are_read_packed_or_not(tmp_path: Path, packed: bool) -> None:
    folder, ending = write_idx(tmp_path, train=20, test=10, packed=packed), ".gz" if packed else ""
    assert read_labels(folder / f"train-labels-idx1-ubyte{ending}") == bytes([*range(10)] * 2)
    pictures = read_pictures(folder / f"train-images-idx3-ubyte{ending}")
    assert len(pictures) == 20 * 784
    assert pictures[784 : 2 * 784] == picture(1, 1)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (PICTURES[: 16 + 784 * 3 + 5], "is cut short: it promises 10 pictures and holds 3; fetch it again"),
        (PICTURES[:9], "is cut short within its head; fetch it again"),
        (b"", "is no IDX file of pictures (it begins with nothing, not 00000803)"),
        (b"<html><head>", "is no IDX file of pictures (it begins with 3c68746d, not 00000803)"),
        (LABELS, "is no IDX file of pictures (it begins with 00000801, not 00000803)"),
        (PICTURES + b"more", "goes on behind the 10 pictures that it promises"),
        (pictures_file([bytes(32 * 32)], 32), "holds pictures of 32 x 32; 28 x 28 are read"),
        (pictures_file([]), "holds no pictures"),
        (PICTURES[:4] + b"\xff" * 12, "claims 4,294,967,295 pictures of"),
    ],
)
def test_a_file_that_is_not_whole_is_one_clear_line(tmp_path: Path, data: bytes, said: str) -> None:
    plain, packed = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-images-idx3-ubyte.gz"
    plain.write_bytes(data)
    packed.write_bytes(gzip.compress(data))
    assert fault(read_pictures, plain).startswith(said)
    assert fault(read_pictures, packed).startswith(said)


def test_a_packed_file_that_is_cut_or_damaged_says_so(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    whole = gzip.compress(PICTURES)
    for data in (whole[: len(whole) // 2], b"no gzip", whole[:40] + bytes(60) + whole[100:]):
        path.write_bytes(data)
        assert fault(read_pictures, path).startswith("cannot be read (")


def test_a_label_that_is_no_digit_says_which(tmp_path: Path) -> None:
    path = tmp_path / "train-labels-idx1-ubyte"
    path.write_bytes(labels_file([1, 2, 17]))
    assert fault(read_labels, path) == "has the label 17 (number 3); digits are 0 to 9"
