"""Is each constraint an exact pin, and is anything known against it? `make audit` asks pip-audit's advisory service.

Exit code 0 nothing known, 1 something is, 2 a constraint is no pin or the service could not be asked.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints"
_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*")


def loose_pins(file: Path) -> Iterator[str]:
    """Each line that names a package and not one version of it, with its place."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        asked = line.partition("#")[0].strip()
        if asked and not _PIN.fullmatch(asked):
            yield f"{file.parent.name}/{file.name}:{number}: {asked}: is no exact pin; write name==version."


def known_faults(file: Path, program: Sequence[str]) -> list[str] | None:
    """What is known against the packages of a file; None where the service gave no answer, which is said."""
    words = ["--requirement", str(file), "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run([*program, *words], capture_output=True, text=True, errors="replace")
    place = f"{file.parent.name}/{file.name}"
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1][:200]
        print(
            f"{place}: the advisory service could not be asked ({last}); try where it can be reached.", file=sys.stderr
        )
        return None
    skipped = [package for package in packages if "skip_reason" in package]
    if packages and len(skipped) == len(packages):
        said = f"the advisory service knows none of its packages ({skipped[0]['skip_reason'][:120]})"
        print(f"{place}: {said}; try where it can be reached.", file=sys.stderr)
        return None
    if skipped:
        names = ", ".join(package["name"] for package in skipped)
        print(f"{place}: not looked up: {names} ({skipped[0]['skip_reason'][:120]}).", file=sys.stderr)
    print(f"{place}: {len(packages) - len(skipped)} of {len(packages)} packages looked up")
    return [
        f"{place}: {package['name']}=={package['version']}: {fault['id']}; "
        f"mended in {', '.join(fault['fix_versions']) or 'no version yet'}."
        for package in packages
        for fault in package.get("vulns", [])
    ]


def main(program: Sequence[str]) -> int:
    files = sorted(CONSTRAINTS.glob("*.txt"))
    loose = [line for file in files for line in loose_pins(file)]
    if loose:
        print("\n".join(loose), file=sys.stderr)
        return 2
    print(f"{', '.join(file.name for file in files)}: exact pins")
    found: list[str] = []
    for file in files:
        faults = known_faults(file, program)
        if faults is None:
            return 2  # the others would only wait for it as well
        found += faults
    print("\n".join(found) or "nothing is known against any that was looked up")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [sys.executable, "-m", "pip_audit"]))
