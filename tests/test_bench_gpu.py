"""What of benchmarks/gpu.py runs without a GPU: its shapes, its files, its page, and a training in little."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("trl")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import gpu

from grpoctl.estimate.devices import NAMED, Device
from grpoctl.machine import Machine

TINY = gpu.Case("tiny", "lora", prompt=32, completion=16, generations=2)


def test_cases_are_the_real_shapes_and_those_that_cannot_fit_are_known() -> None:
    fits = {case.name: gpu.reckoned(case, NAMED["h100"]).fits for case in gpu.CASES}
    assert fits.keys() == {f"Qwen3-{size}, {kind}" for size in ("0.6B", "4B", "8B") for kind in ("LoRA", "full")}
    assert fits["Qwen3-8B, LoRA"] and not fits["Qwen3-8B, full"]
    # 151,936 x 1,024 of the embedding, and 28 layers of 15.7 million.
    assert gpu.reckoned(gpu.CASES[0], NAMED["h100"]).shape.parameters == 596_049_920


def test_a_training_in_little_is_measured_on_both_sides() -> None:
    here, theirs = (gpu.in_a_process(TINY, which, bf16=False) for which in ("grpoctl", "plain"))
    row = gpu.row_of(TINY, gpu.reckoned(TINY, Device("this machine", "cpu", 8.0)), here, theirs)
    assert len(row) == len(gpu.HEAD)
    assert abs(float(row[3].rstrip("%"))) < 15  # the libraries are nearly all of it
    said = gpu.page([row], ["Qwen3-8B, full"], "one NVIDIA Example")
    assert "`make bench-gpu` on one NVIDIA Example." in said
    assert "| tiny, LoRA |" in said and "does not fit: Qwen3-8B, full." in said


def test_without_a_gpu_one_line_is_printed_and_no_page_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(gpu, "read_machine", lambda: Machine("laptop", 2, 8.0, 50.0, (), 0))
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    gpu.main()
    assert capsys.readouterr().out == "no NVIDIA GPU is here, so nothing is measured\n"
    assert "has not been measured" in gpu.PAGE.read_text()
    gpu.PAGE.write_text("measured")
    gpu.main()
    assert gpu.PAGE.read_text() == "measured"
