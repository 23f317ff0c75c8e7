from pathlib import Path

import pytest

from grpoctl import machine


def test_gpus_are_read_from_the_drivers_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (0, 1):
        card = tmp_path / "gpus" / f"0000:0{number}"
        card.mkdir(parents=True)
        (card / "information").write_text("Model: \t NVIDIA H200\nIRQ: 5\n")
    monkeypatch.setattr(machine, "NVIDIA_CARDS", tmp_path / "gpus")
    assert machine.read_machine().gpus == ("NVIDIA H200", "NVIDIA H200")


def test_device_files_count_where_the_driver_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "accel0"):
        (tmp_path / name).touch()
    monkeypatch.setattr(machine, "NVIDIA_CARDS", tmp_path / "none")
    monkeypatch.setattr(machine, "DEVICES", tmp_path)
    found = machine.read_machine()
    assert (len(found.gpus), found.tpus) == (2, 1)


def test_a_machine_has_cores_memory_and_disk() -> None:
    found = machine.read_machine()
    assert found.cpu_count >= 1
    assert found.memory_gib is None or found.memory_gib > 0
    assert found.disk_free_gib is None or found.disk_free_gib >= 0
    assert found.as_json()["gpus"] == list(found.gpus)
