"""Are the data sets here, and what rows do they hold?"""

from collections.abc import Iterator

from grpoctl.data.dataset_info import FoundEntry, find_entry
from grpoctl.data.mix import mix
from grpoctl.data.rows import Row, Rows, read_rows
from grpoctl.errors import Finding, nearest
from grpoctl.paths import is_folder, user_path
from grpoctl.preflight.pictures import read_pictures
from grpoctl.preflight.result import Preflight, Teller
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.yaml_text import KeyPath


def read_datasets(recipe: Recipe, key: str, result: Preflight, tell: Teller) -> list[Row] | None:
    """The rows of all data sets of `dataset` or `eval_dataset`, or None where one is not here to be read."""
    if recipe.reads_pictures:
        return read_pictures(recipe, key, tell)
    names: tuple[str, ...] = getattr(recipe, key)
    if tell.is_wrong("dataset_dir"):
        return None
    folder = user_path(recipe.dataset_dir)
    # The default may be missing, whether a recipe leaves it out or a finished run has written it down.
    if recipe.dataset_dir != Recipe.model_fields["dataset_dir"].default and not is_folder(folder):
        tell.error("dataset_dir", f"is {folder}, and no such folder is here", "check the path; it starts where you are")
        return None
    parts = [
        _read(name, (key, number) if len(names) > 1 else (key,), recipe, result, tell)
        for number, name in enumerate(names)
    ]
    here = [part for part in parts if part is not None]
    return mix(here, recipe.mix_strategy) if len(here) == len(parts) else None


def _read(name: str, key: KeyPath, recipe: Recipe, result: Preflight, tell: Teller) -> list[Row] | None:
    found = find_entry(name, user_path(recipe.dataset_dir), recipe.cache_dir)
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
            "train fetches it; to have its rows checked now, copy its files here and name their path",
        )
        return None
    if found.guessed:
        result.guessed[name] = found.guessed
    read = read_rows(entry, found.folder, recipe.max_samples)
    unknown = list(_unknown_columns(found, read))
    if recipe.bad_rows == "skip" and read.bad and read.rows and read.is_whole and not unknown:
        first = read.findings[0]
        said = f"leaves out {read.bad} of {read.bad + len(read.rows)} rows (bad_rows: skip); the first: {first}"
        tell.warn(key, said.rstrip("."), "mend them to use them")
        return read.rows
    # Where a column is misnamed every row is bad for the same reason, which is told once.
    tell.findings += unknown or read.findings
    return read.rows


def _unknown_columns(found: FoundEntry, read: Rows) -> Iterator[Finding]:
    """Columns that the entry names, or stands on by default, and that no row has."""
    given = "columns" in found.entry.model_fields_set
    for meaning, column in found.entry.columns:
        needed = given or meaning in ("prompt", "response", "messages")
        if column is None or not needed or column in read.columns or not read.columns:
            continue
        close = nearest(column, read.columns)
        held = ", ".join(list(read.columns)[:12])
        file, line = found.at(("columns", meaning))
        fix = f"did you mean {close}?" if close else f'name the right one, as in "columns": {{"{meaning}": …}}'
        yield Finding(f"is {column}, and the rows have {held}", fix, key=f"columns.{meaning}", file=file, line=line)
