"""An evaluation's files: a report when all is there, and samples to go on from when it is not."""

import json
from pathlib import Path

import pytest

from grpoctl.run.evals import EvalFiles, eval_stem, read_samples

HEAD = {"mode": "greedy", "n": 5}
SAMPLES = [{"problem": number, "text": "é\n\u2028"} for number in range(5)]


def test_the_name_says_what_sets_it_apart() -> None:
    assert eval_stem("greedy", 80) == "greedy-step-000080"
    assert eval_stem("standard", 0, "", "k8", "", "seed3") == "standard-step-000000-k8-seed3"


@pytest.fixture
def half(tmp_path: Path) -> EvalFiles:
    """Two of three batches of two, two and one."""
    files = EvalFiles(tmp_path / "eval", "greedy-step-000003")
    assert files.begin(HEAD, [2, 2, 1]) == []
    files.add(SAMPLES[:2])
    files.add(SAMPLES[2:4])
    return files


def test_one_that_was_interrupted_goes_on_behind_its_whole_batches(half: EvalFiles) -> None:
    assert half.begin(HEAD, [2, 2, 1]) == SAMPLES[:4]
    half.add(SAMPLES[4:])
    assert read_samples(half.samples) == SAMPLES


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_what_was_cut_short_is_drawn_again(half: EvalFiles, cut: int) -> None:
    text = half.samples.read_bytes()
    half.samples.write_bytes(text[:-cut])
    assert half.begin(HEAD, [2, 2, 1]) == SAMPLES[:2]
    half.add(SAMPLES[2:4])
    assert read_samples(half.samples) == SAMPLES[:4]


def test_one_that_asks_something_else_starts_anew(half: EvalFiles) -> None:
    assert half.begin({**HEAD, "n": 6}, [2, 2, 1]) == []
    assert read_samples(half.samples) == []


def test_a_finished_one_starts_anew_and_its_report_goes(half: EvalFiles) -> None:
    half.add(SAMPLES[4:])
    half.finish({"accuracy": 0.5})
    assert json.loads(half.report.read_text()) == {"accuracy": 0.5}
    assert half.begin(HEAD, [2, 2, 1]) == []
    assert not half.report.exists()


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe", b"{", b"[]\n[]\n", b"null\n"])
def test_a_damaged_file_is_started_anew(half: EvalFiles, garbage: bytes) -> None:
    half.samples.write_bytes(garbage)
    assert half.begin(HEAD, [2, 2, 1]) == []


def test_samples_of_no_file_are_none(tmp_path: Path) -> None:
    assert read_samples(tmp_path / "none.jsonl") == []
