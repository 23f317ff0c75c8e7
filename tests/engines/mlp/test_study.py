"""grpoctl study: the same training with groups of several sizes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("jax")
pytest.importorskip("flax")

from idx_files import write_idx

Grpoctl = Callable[..., tuple[int, str, str]]
SMALL = ("per_device_train_batch_size=100", "max_steps=8", "learning_rate=0.003")


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    folder = write_idx(tmp_path / "idx")
    picture = str(tmp_path / "g.png")
    return ["study", "mnist_grpo", *SMALL, f"dataset={folder}", f"eval_dataset={folder}:test", "--to", picture]


def test_every_size_has_as_many_updates_and_its_error_is_what_theory_says(words: list[str], grpoctl: Grpoctl) -> None:
    code, out, err = grpoctl(*words, "--sizes", "2,32", "--seeds", "2", "--json")
    assert code == 0, err
    document = json.loads(out)
    small, large = document["sizes"]
    assert (small["updates"], large["updates"]) == (8, 8)
    assert (small["samples"], large["samples"]) == (8 * 100 * 2, 8 * 100 * 32)
    for each in (small, large):
        assert each["first_error"] == pytest.approx(each["first_expected"], rel=0.25)
        assert [run["seed"] for run in each["runs"]] == [0, 1]
    assert large["first_error"] < small["first_error"] / 3  # a sixteenth of the variance
    assert document["recommended"][0]["num_generations"] == "32 - 128"
    assert Path(document["picture"]).stat().st_size > 10_000


def test_with_as_many_samples_a_larger_group_gets_fewer_updates(words: list[str], grpoctl: Grpoctl) -> None:
    code, out, _ = grpoctl(*words, "--sizes", "4,16", "--seeds", "1", "--fixed", "samples")
    assert code == 0
    lines = out.splitlines()
    assert "G = 4: 1 time 16 updates …" in lines  # the recipe's own 8 answers for 8 updates
    assert "G = 16: 1 time 4 updates …" in lines
    assert "compiling too" in lines[4] + lines[3]
    assert any("MNIST (easy)" in line and "32 - 128" in line for line in lines)
    assert any(line.startswith("best on the test digits: G = ") for line in lines)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["quickstart"], "trains a language model; take one for digits"),
        (["mnist_ppo"], "stage: is ppo"),
        (["mnist_document"], "group: is batch"),
        (["mnist_grpo", "--sizes", "1,2"], "--sizes: is 1,2; use numbers from 2 to 1024"),
        (["mnist_grpo", "--sizes", "0"], "--sizes: is 0; use numbers from 2 to 1024"),
        (["mnist_grpo", "--sizes", "100000"], "--sizes: is 100000; use numbers from 2 to 1024"),
        (
            ["mnist_grpo", "dataset=digits", "max_steps=1", "--sizes", "4,128", "--fixed", "samples"],
            "--sizes: has 128, more than the 8 answers to a picture in 1 update with num_generations 8; use sizes up",
        ),
        (["mnist_grpo", "--seeds", "0"], "--seeds: is 0; use 1 to 100"),
        (["mnist_grpo", "--to", "g.pdf"], "g.pdf: is no name for a PNG file"),
    ],
)
def test_what_cannot_be_studied_is_said_in_one_line(words: list[str], said: str, grpoctl: Grpoctl) -> None:
    code, _, err = grpoctl("study", *words)
    assert code == 2
    assert said in err.splitlines()[-1]


def test_an_older_picture_is_kept_or_said_to_be_replaced(
    words: list[str], grpoctl: Grpoctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ("--sizes", "2,4", "--seeds", "1", "max_steps=2")
    asked, path = words[: words.index("--to")], Path(words[-1])
    for name in ("group_size.png", "group_size-2.png"):
        assert grpoctl(*asked, *few)[1].splitlines()[-1] == f"picture: {name}"
    assert grpoctl(*words, *few)[1].splitlines()[-1] == f"picture: {path}"
    assert grpoctl(*words, *few)[1].splitlines()[-1] == f"picture: {path} (in place of an older one)"
