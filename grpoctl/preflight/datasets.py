"""Are the data sets here, and what rows do they hold?"""

from grpoctl.data.dataset_info import find_entry
from grpoctl.data.mix import mix
from grpoctl.data.rows import Row, read_rows
from grpoctl.paths import user_path
from grpoctl.preflight.result import Teller
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.yaml_text import KeyPath


def read_datasets(recipe: Recipe, key: str, tell: Teller) -> list[Row] | None:
    """The rows of all data sets of `dataset` or `eval_dataset`, or None where one is not here to be read."""
    names: tuple[str, ...] = getattr(recipe, key)
    if tell.is_wrong("dataset_dir"):
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
    entry, folder = found
    if entry.file_name is None:
        tell.warn(
            key,
            f"names {name}, which is not on this machine but on the hub as {entry.hf_hub_url}",
            "download it first to have its rows checked",
        )
        return None
    read = read_rows(entry, folder, recipe.max_samples)
    tell.findings += read.findings
    return read.rows
