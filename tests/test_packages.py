from pathlib import Path

import pytest

from grpoctl.packages import installed_version, missing_packages


def test_a_package_is_found_by_its_metadata_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ghost-1.2.dist-info").mkdir()
    (tmp_path / "ghost-1.2.dist-info" / "METADATA").write_text("Name: ghost\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(tmp_path)  # it has no module, so importing it would fail
    assert installed_version("ghost") == "1.2"
    assert missing_packages(("ghost", "no-such-ghost")) == ["no-such-ghost"]
    assert installed_version("no-such-ghost") is None
