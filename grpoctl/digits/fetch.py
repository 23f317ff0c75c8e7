"""How does MNIST come to this machine? By torchvision, which downloads it once and keeps it."""

import sys

from grpoctl.digits.sets import MNIST, find_set, mnist_folder
from grpoctl.errors import GrpoctlError
from grpoctl.paths import user_path
from grpoctl.recipe.schema import Recipe


def fetch_digits(recipe: Recipe) -> bool:
    """Download what the recipe names and this machine lacks; whether there was anything."""
    folder = user_path(recipe.dataset_dir)
    named = dict.fromkeys((*recipe.dataset, *recipe.eval_dataset))
    if all(find_set(name, folder, recipe.cache_dir) is not None for name in named):
        return False
    print(f"fetching {MNIST} with torchvision …", file=sys.stderr, flush=True)
    try:
        from torchvision.datasets import MNIST as Download  # type: ignore[import-not-found,unused-ignore]

        Download(str(mnist_folder(recipe.cache_dir)), download=True)
    except Exception as error:  # a torchvision that does not fit its torch, no network, no room: each has its own
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:160]
        raise GrpoctlError(
            f"{MNIST}: cannot be fetched with torchvision ({reason}); name a folder of IDX files, or take "
            "scikit-learn's: dataset=digits eval_dataset=digits:test."
        ) from error
    return True
