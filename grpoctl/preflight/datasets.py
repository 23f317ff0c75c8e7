"""Are the data sets here, and what rows do they hold?"""

from collections.abc import Iterator

from grpoctl.data.dataset_info import FoundEntry, find_entry
from grpoctl.data.mix import mix
from grpoctl.data.rows import Row, Rows, read_rows
from grpoctl.errors import Finding, nearest
from grpoctl.paths import is_folder, user_path
from grpoctl.preflight.result import Teller
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.yaml_text import KeyPath


def read_datasets(recipe: Recipe, key: str, tell: Teller) -> list[Row] | None:
    """The rows of all data sets of `dataset` or `eval_dataset`, or None where one is not here to be read."""
    names: tuple[str, ...] = getattr(recipe, key)
    if tell.is_wrong("dataset_dir"):
        return None
    folder = user_path(recipe.dataset_dir)
    if "dataset_dir" in recipe.model_fields_set and not is_folder(folder):
        tell.error("dataset_dir", f"is {folder}, and no such folder is here", "check the path; it starts where you are")
        return None
    parts = [
        _read(name, (key, number) if len(names) > 1 else (key,), recipe, tell) for number, name in enumerate(names)
    ]
    here = [part for part in parts if part is not None]
    return mix(here, recipe.mix_strategy) if len(here) == len(parts) else None


def _read(name: str, key: KeyPath, recipe: Recipe, tell: Teller) -> list[Row] | None:
    found = find_entry(name, user_path(recipe.dataset_dir))
    if isinstance(found, list):
        for finding in found:
            if finding.file:
                tell.findings.append(finding)
            else:
                tell.error(key, finding.problem, finding.fix)
        return None
    entry = found.entry
    if entry.file_name is None:
        tell.warn(
            key,
            f"names {name}, which is not on this machine but on the hub as {entry.hf_hub_url}",
            "fetch it first, and name its files, to have its rows checked",
        )
        return None
    read = read_rows(entry, found.folder, recipe.max_samples)
    unknown = list(_unknown_columns(found, read))
    # Where a column is misnamed every row is bad for the same reason, which is told once.
    tell.findings += unknown or read.findings
    return read.rows


def _unknown_columns(found: FoundEntry, read: Rows) -> Iterator[Finding]:
    """Columns that the entry names, or stands on by default, and that no row has."""
    given = "columns" in found.entry.model_fields_set
    for meaning, column in found.entry.columns:
        needed = given or meaning in ("prompt", "response")
        if column is None or not needed or column in read.columns or not read.columns:
            continue
        close = nearest(column, read.columns)
        held = ", ".join(list(read.columns)[:12])
        file, line = found.at(("columns", meaning))
        fix = f"did you mean {close}?" if close else f'name the right one, as in "columns": {{"{meaning}": …}}'
        yield Finding(f"is {column}, and the rows have {held}", fix, key=f"columns.{meaning}", file=file, line=line)
