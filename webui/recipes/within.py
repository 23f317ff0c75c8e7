"""Which files may a recipe name that stands in the page? Those of saves/, recipes/ and data/, and of allowed folders.

The command line reads what its user may read. A page is asked by whoever reaches it, and check alone would tell of any
file of the machine, and run any Python file of it as a reward.
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from grpoctl import shipped
from grpoctl.data.dataset_info import all_entries
from grpoctl.data.named_path import is_path_like
from grpoctl.errors import DataError, printable
from grpoctl.model_files import is_remote
from grpoctl.paths import user_path
from grpoctl.preflight import Preflight
from grpoctl.preflight.result import Teller
from grpoctl.recipe.load import RecipeReading
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.own import is_own, own_files
from webui.places import is_within

_STAGES = ("z0", "z2", "z3", "z3-offload")  # what deepspeed may be beside a file
_FIX = "use it by the command line, or start the page with: grpoctl webui --allow FOLDER"

Named = tuple[str, str, list[Path]]  # key, what was written, where that may lead


def refused(reading: RecipeReading) -> Preflight | None:
    """The errors of a recipe that leads elsewhere, found without a look at what is there; None where it does not."""
    if reading.recipe is None:
        return None
    found = Preflight(list(reading.findings), reading.recipe)
    tell, before = Teller(reading, found.findings), len(found.findings)
    for key, name, paths in _named(reading.recipe):
        if not all(map(is_within, paths)):
            tell.error(
                key, f"leads to {printable(name[:80])}, and the page reads saves/, recipes/ and data/ alone", _FIX
            )
    return found if len(found.findings) > before else None


def _named(recipe: Recipe) -> Iterator[Named]:
    for key in ("dataset_dir", "output_dir", "export_dir", "cache_dir"):
        yield from _plain(key, getattr(recipe, key))
    if recipe.resume_from_checkpoint != "latest":
        yield from _plain("resume_from_checkpoint", recipe.resume_from_checkpoint)
    if recipe.deepspeed not in _STAGES:
        yield from _plain("deepspeed", recipe.deepspeed)
    for key in ("model_name_or_path", "tokenizer_name_or_path"):
        yield from _model(key, getattr(recipe, key))
    for name in recipe.adapter_name_or_path:
        yield from _model("adapter_name_or_path", name)
    if ".." in Path(recipe.model_revision).parts or Path(recipe.model_revision).is_absolute():
        yield "model_revision", recipe.model_revision, [Path("/")]  # which is a file's name in Hugging Face's cache
    for key in ("dataset", "eval_dataset"):
        for name in getattr(recipe, key):
            yield key, name, list(_of_data(name, user_path(recipe.dataset_dir)))
    for use in recipe.reward_funcs:
        if is_own(use.use):
            yield "reward_funcs", use.use, own_files([use.use])
        yield from _model("reward_funcs", use.args.get("path"))


def _plain(key: str, name: object) -> Iterator[Named]:
    if name is not None:
        yield key, str(name), [user_path(str(name))]


def _model(key: str, name: object) -> Iterator[Named]:
    """A name of the hub is no path, unless a folder of that name is here."""
    if isinstance(name, str) and name not in shipped.MODELS and not is_remote(name):
        yield key, name, [user_path(name)]


def _of_data(name: str, folder: Path) -> Iterator[Path]:
    """Where a data set's name may lead, with a split behind it and without; a name of dataset_info.json nowhere."""
    if not is_path_like(name) and is_within(folder) and name in _entries(folder):
        return
    for each in {name, name.rpartition(":")[0] or name}:
        path = user_path(each)
        for place in {path, folder / path}:
            if path.is_absolute() or ".." in path.parts or os.path.lexists(place):
                yield place


def _entries(folder: Path) -> Collection[str]:
    try:
        return all_entries(folder)
    except DataError:  # which check tells of
        return ()
