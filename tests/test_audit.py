"""`make audit` says of each constraint whether it is a pin, and what is known against it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def audit(tmp_path: Path, stdout: object, stderr: str = "", line: str = "") -> tuple[int, str, str]:
    """The script beside constraints of its own, with a program that answers as pip-audit does."""
    for name in ("scripts", "constraints"):
        (tmp_path / name).mkdir()
    (tmp_path / "scripts" / "audit.py").write_text((ROOT / "scripts" / "audit.py").read_text())
    (tmp_path / "constraints" / "common.txt").write_text(f"# all\ntorch==2.13.0\nnumpy==2.3.1  # old\n{line}\n")
    fake = tmp_path / "fake.py"
    said = stdout if isinstance(stdout, str) else json.dumps(stdout)
    fake.write_text(f"import sys\nprint({said!r})\nprint({stderr!r}, file=sys.stderr)\n")
    words = [sys.executable, str(tmp_path / "scripts" / "audit.py"), sys.executable, str(fake)]
    done = subprocess.run(words, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_nothing_known_is_0(tmp_path: Path) -> None:
    packages = [{"name": "torch", "version": "2.13.0", "vulns": []}, {"name": "numpy", "skip_reason": "not there"}]
    code, out, err = audit(tmp_path, {"dependencies": packages})
    assert code == 0
    assert out == (
        "common.txt: exact pins\nconstraints/common.txt: 1 of 2 packages looked up\n"
        "nothing is known against any that was looked up\n"
    )
    assert err == "constraints/common.txt: not looked up: numpy (not there).\n"


def test_a_service_that_knows_nothing_is_2(tmp_path: Path) -> None:
    packages = [{"name": name, "skip_reason": "not found"} for name in ("torch", "numpy")]
    code, out, err = audit(tmp_path, {"dependencies": packages})
    assert code == 2 and "nothing is known" not in out
    assert err == (
        "constraints/common.txt: the advisory service knows none of its packages (not found); "
        "try where it can be reached.\n"
    )


def test_what_is_known_is_1_with_the_version_that_mends_it(tmp_path: Path) -> None:
    faults = [{"id": "PYSEC-1", "fix_versions": ["2.14"]}, {"id": "PYSEC-2", "fix_versions": []}]
    code, out, _ = audit(tmp_path, {"dependencies": [{"name": "torch", "version": "2.13.0", "vulns": faults}]})
    assert code == 1
    assert out.splitlines()[-2:] == [
        "constraints/common.txt: torch==2.13.0: PYSEC-1; mended in 2.14.",
        "constraints/common.txt: torch==2.13.0: PYSEC-2; mended in no version yet.",
    ]


def test_a_service_that_is_not_reached_is_one_line_and_2(tmp_path: Path) -> None:
    code, _, err = audit(tmp_path, "", "Traceback …\nConnectionError: no route to host")
    assert code == 2
    assert err == (
        "constraints/common.txt: the advisory service could not be asked (ConnectionError: no route to host); try "
        "where it can be reached.\n"
    )


@pytest.mark.parametrize("line", ["jax>=0.10", "jax", "jax==0.10.*", "jax==0.10,<1", "-r other.txt", "git+https://x/y"])
def test_a_constraint_that_is_no_pin_is_2(line: str, tmp_path: Path) -> None:
    code, _, err = audit(tmp_path, "", line=line)
    assert code == 2
    assert err == f"constraints/common.txt:4: {line}: is no exact pin; write name==version.\n"
