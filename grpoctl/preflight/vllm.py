"""Is the vLLM that is installed one that TRL knows? Read from TRL's own source, as importing it takes seconds."""

import re
from importlib.util import find_spec
from pathlib import Path

from grpoctl.packages import installed_version
from grpoctl.recipe.schema import Recipe

_RANGE = re.compile(r'Version\("([\d.]+)"\) <= \w+ <= Version\("([\d.]+)"\)')


def vllm_fault(recipe: Recipe) -> tuple[str, str] | None:
    """What is wrong with the version of `use_vllm`, and what to do; None where it is right or cannot be known."""
    known = known_to_trl() if recipe.use_vllm and recipe.engine == "trl" else None
    version = installed_version("vllm") if known is not None else None
    if known is None or version is None or _numbers(known[0]) <= _numbers(version) <= _numbers(known[1]):
        return None
    first, last = known
    fix = f"install one of them: pip install 'vllm>={first},<={last}'"
    return f"is true, and vLLM is {version}, where TRL knows {first} to {last}", fix


def known_to_trl() -> tuple[str, str] | None:
    """The first and the last version that TRL says it supports."""
    spec = find_spec("trl")
    if spec is None or spec.origin is None:
        return None
    try:
        found = _RANGE.search(Path(spec.origin).with_name("import_utils.py").read_text(encoding="utf-8"))
    except OSError:
        return None
    return (found[1], found[2]) if found else None


def _numbers(version: str) -> tuple[int, int, int]:
    """Of a release, without what a build adds to it (0.24.0+cu129)."""
    release = re.match(r"[\d.]*", version)
    parts = [int(part) for part in (release[0] if release else "").split(".") if part][:3]
    first, second, third = [*parts, 0, 0, 0][:3]
    return first, second, third
