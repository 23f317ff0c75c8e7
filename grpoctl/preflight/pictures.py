"""Are the pictures here that a network is to read, and what do their files hold?"""

from collections.abc import Sequence

from grpoctl.data.mix import mix
from grpoctl.data.rows import Row
from grpoctl.digits.sets import DigitSet, find_set
from grpoctl.errors import DataError, Finding
from grpoctl.paths import user_path
from grpoctl.preflight.result import Teller
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.yaml_text import KeyPath

_INSTEAD = "for MNIST itself pip install torchvision, or name a folder of IDX files"


def read_pictures(recipe: Recipe, key: str, tell: Teller) -> list[Row] | None:
    """A row for each picture of `dataset` or `eval_dataset`, or None where one of these is not here to be read."""
    names: tuple[str, ...] = getattr(recipe, key)
    parts = [
        _read(name, (key, number) if len(names) > 1 else (key,), recipe, tell) for number, name in enumerate(names)
    ]
    here = [part for part in parts if part is not None]
    return mix(here, recipe.mix_strategy) if len(here) == len(parts) else None


def _read(name: str, key: KeyPath, recipe: Recipe, tell: Teller) -> list[Row] | None:
    found = find_set(name, user_path(recipe.dataset_dir), recipe.cache_dir)
    if found is None:
        tell.warn(key, f"names {name}, which is not on this machine", "train fetches it with torchvision")
        return None
    try:
        rows = _rows(found)[: recipe.max_samples]
    except DataError as error:
        _tell(error.findings, key, tell)
        return None
    if isinstance(found, DigitSet) and found.stands_for is not None and not _is_told(_INSTEAD, tell):
        problem = f"names {found.stands_for}, which is not here; in its place stand {len(rows):,} of scikit-learn's"
        tell.warn(key, f"{problem} digits, enlarged from 8 x 8 to 28 x 28", _INSTEAD)
    return rows


def _is_told(fix: str, tell: Teller) -> bool:
    """Whether another data set has had the same to be said of it: once is enough."""
    return any(finding.fix == fix for finding in tell.findings)


def _rows(found: DigitSet | Finding) -> list[Row]:
    if isinstance(found, Finding):
        raise DataError(found)
    return found.rows()


def _tell(findings: Sequence[Finding], key: KeyPath, tell: Teller) -> None:
    """A fault of a name at the line of its key, one of a file at the file, and each once."""
    for finding in findings:
        if not finding.file:
            tell.error(key, finding.problem, finding.fix)
        elif finding not in tell.findings:
            tell.findings.append(finding)
